from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from blinktun._core import StreamClass
from blinktun.address import Address
from blinktun.config.model import (
    KcpLink,
    KcpSettings,
    KcptunClient,
    KcptunServer,
    LogSettings,
    PortRange,
    PresetSpec,
    ServerLink,
)
from blinktun.tunnel.effective import link_line, start_line

REMOTE = PortRange("vps.example", 29900, 29910)
MANUAL = KcpSettings(mode="manual")
CLIENT = KcptunClient(Address("", 12948), REMOTE, KcpLink(MANUAL))
SERVER = KcptunServer(PortRange("", 29900, 29900), Address("127.0.0.1", 12948))


def _client(**kcp: object) -> str:
    link = KcpLink(KcpSettings(**kcp), conn=3)  # type: ignore[arg-type]
    return start_line(KcptunClient(Address("", 12948), REMOTE, link), "[::]:12948")


def test_the_line_of_the_defaults() -> None:
    assert start_line(SERVER, "[::]:29900") == (
        "kcptun server listening on: [::]:29900, target: 127.0.0.1:12948, encryption: aes,"
        " integrity: no, replay protection: yes, smux version: 1 or 2, compression: true,"
        " tcp: false, mtu: search, mode: auto, max_overhead: 5%, acknodelay: false, dscp: 0,"
        " sockbuf: 4194304, smuxbuf: 134217728, framesize: 8192, streambuf: 134217728,"
        " keepalive: 10, snmplog: ,"
        " snmpperiod: 60, pprof: false, quiet: false"
    )


def test_a_class_that_is_told() -> None:
    assert "class:" not in start_line(CLIENT, "x:1")
    told = replace(CLIENT, link=replace(CLIENT.link, stream_class=StreamClass.BULK))
    assert ", class: bulk," in start_line(told, "x:1")


def test_the_line_of_settings_by_hand() -> None:
    kcp = KcpSettings(mode="manual", sndwnd=1024, rcvwnd=1024)
    assert start_line(replace(SERVER, kcp=kcp), "[::]:29900") == (
        "kcptun server listening on: [::]:29900, target: 127.0.0.1:12948, encryption: aes,"
        " integrity: no, replay protection: yes, smux version: 1 or 2, compression: true,"
        " datashard: 10 parityshard: 3, tcp: false, mtu: 1350, sndwnd: 1024 rcvwnd: 1024,"
        " nodelay parameters: 0 30 2 1, acknodelay: false, dscp: 0, sockbuf: 4194304,"
        " smuxbuf: 4194304, framesize: 8192, streambuf: 2097152, keepalive: 10, snmplog: ,"
        " snmpperiod: 60, pprof: false, quiet: false"
    )


@pytest.mark.parametrize(
    ("line", "side"),
    [
        (start_line(CLIENT, "x:1"), "client"),
        (start_line(replace(SERVER, kcp=MANUAL), "x:1"), "server"),
    ],
)
def test_the_words_of_gos_start_block_are_there(line: str, side: str) -> None:
    """Hosting panels and scripts wait for some of them."""
    words = {
        *("smux version", "listening on", "encryption", "nodelay parameters", "sndwnd", "rcvwnd"),
        *("compression", "mtu", "datashard", "parityshard", "acknodelay", "dscp", "sockbuf"),
        *("smuxbuf", "streambuf", "keepalive", "snmplog", "snmpperiod", "quiet", "tcp", "pprof"),
    }
    words |= (
        {"remote address", "conn", "autoexpire", "scavengettl"} if side == "client" else {"target"}
    )
    assert {word for word in words if re.search(rf"\b{word}: ", line + " ")} == words


def test_what_is_set_is_said_and_the_key_never() -> None:
    line = _client(key="hunter2", smuxver=2, nocomp=True, qpp=True, tcp=True)
    assert "listening on: [::]:12948, remote address: vps.example:29900-29910, " in line
    assert "smux version: 2, compression: false" in line
    assert "tcp: true, QPP: 61 pads of revision B, mtu" in line
    assert "conn: 3, autoexpire: 0, scavengettl: 600" in line
    assert "hunter2" not in line


def test_limits_that_hold_are_said() -> None:
    line = _client(mode="manual", ratelimit=1_000_000, closewait=30)
    assert "mtu: 1350, ratelimit: 1000000, sndwnd" in line
    assert "keepalive: 10, closewait: 30, conn" in line


@pytest.mark.parametrize(
    ("crypt", "said"),
    [
        ("aes-128-gcm", "integrity: yes, replay protection: yes"),
        ("salsa20", "integrity: no, replay protection: yes"),
        ("none", "integrity: no, replay protection: no"),
    ],
)
def test_what_the_cipher_protects_is_said(crypt: str, said: str) -> None:
    assert said in _client(crypt=crypt)


def test_a_path_is_said_as_it_is() -> None:
    config = KcptunServer(REMOTE, Path("/run/t.sock"), log=LogSettings(quiet=True))
    line = start_line(config, REMOTE)
    assert "listening on: vps.example:29900-29910, target: /run/t.sock," in line
    assert line.endswith("quiet: true")


def test_what_blinksocks_ends_agree_on_is_said_and_the_key_never() -> None:
    presets = (PresetSpec("ss-base"), PresetSpec("ss-aead-cipher"))
    link = ServerLink("wss", Address("h.example", 443), "hunter2", presets, path="/p")
    assert link_line(link) == (
        "wss://h.example:443/p, presets: ss-base > ss-aead-cipher (aes-256-gcm), integrity: yes,"
        " replay protection: yes, mux: false"
    )
