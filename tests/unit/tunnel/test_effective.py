from __future__ import annotations

from blinktun.config.model import KcpSettings
from blinktun.tunnel.effective import effective_settings


def test_the_line_of_the_defaults() -> None:
    assert effective_settings(KcpSettings(), learned="1 or 2") == (
        "encryption: aes, smux version: 1 or 2, compression: true, datashard: 10 parityshard: 3,"
        " mtu: 1350, sndwnd: 128 rcvwnd: 512, nodelay parameters: 0 30 2 1, dscp: 0,"
        " sockbuf: 4194304, smuxbuf: 4194304, framesize: 8192, streambuf: 2097152, keepalive: 10"
    )


def test_what_is_set_is_said_and_the_key_never() -> None:
    kcp = KcpSettings(key="hunter2", smuxver=2, nocomp=True, qpp=True)
    line = effective_settings(kcp, learned="1")
    assert "smux version: 2, compression: false" in line
    assert "parityshard: 3, QPP: 61 pads of revision B, mtu" in line
    assert "hunter2" not in line


def test_limits_that_hold_are_said() -> None:
    line = effective_settings(KcpSettings(ratelimit=1_000_000, closewait=30), learned="1")
    assert "mtu: 1350, ratelimit: 1000000, sndwnd" in line
    assert line.endswith("keepalive: 10, closewait: 30")
