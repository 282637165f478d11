"""The four example files mean exactly this."""

from __future__ import annotations

from pathlib import Path

from blinktun.address import Address
from blinktun.config import load
from blinktun.config.model import (
    BlinksocksClient,
    BlinksocksServer,
    Inbound,
    KcpLink,
    KcpSettings,
    KcptunClient,
    KcptunServer,
    PortRange,
    PresetSpec,
    ServerLink,
)

EXAMPLES = Path(__file__).parents[3] / "examples"
PRESETS = (PresetSpec("ss-base"), PresetSpec("ss-stream-cipher", {"method": "aes-128-ctr"}))
KEY = "{cKW#F34y_))kMw7"
NO_INTEGRITY = (
    "ss-stream-cipher has no integrity: anybody on the path can change bytes unseen; use"
    " ss-aead-cipher at both ends if both can"
)
LOCAL_TARGETS = (
    "clients can reach services of this machine (127.0.0.1, link-local and its own addresses): "
    'write "targets": "remote" to refuse that, or "targets": "any" if it is meant'
)
PUBLIC = (
    NO_INTEGRITY,
    "the key is the one of the examples, which everybody knows: set another at both ends",
)
OPEN = ("crypt none protects nothing, whatever the key: carry only encrypted streams",)


def kcp(smuxver: int | None) -> KcpSettings:
    return KcpSettings(
        key="",
        crypt="none",
        mode="manual",
        nodelay=1,
        interval=20,
        resend=2,
        nc=1,
        mtu=1350,
        sndwnd=128,
        rcvwnd=512,
        datashard=10,
        parityshard=3,
        dscp=0,
        nocomp=True,
        smuxver=smuxver,
    )


def test_kcptun_client() -> None:
    path = EXAMPLES / "kcptun.client.json"
    assert load(path) == KcptunClient(
        localaddr=Address("", 12948),
        remoteaddr=PortRange("example.com", 29900, 29900),
        link=KcpLink(kcp(1), conn=5, autoexpire=200),
        source=str(path),
        warnings=OPEN,
    )


def test_kcptun_server() -> None:
    path = EXAMPLES / "kcptun.server.json"
    assert load(path) == KcptunServer(
        listen=PortRange("", 29900, 29900),
        target=Address("127.0.0.1", 30370),
        kcp=kcp(None),
        source=str(path),
        warnings=OPEN,
    )


def test_blinksocks_client() -> None:
    path = EXAMPLES / "blinksocks.client.json"
    assert load(path) == BlinksocksClient(
        inbound=Inbound.SOCKS,
        listen=Address("127.0.0.1", 1080),
        server=ServerLink("tcp", Address("127.0.0.1", 12948), KEY, PRESETS),
        source=str(path),
        warnings=PUBLIC,
    )


def test_blinksocks_server() -> None:
    path = EXAMPLES / "blinksocks.server.json"
    assert load(path) == BlinksocksServer(
        server=ServerLink("tcp", Address("0.0.0.0", 30370), KEY, PRESETS),
        source=str(path),
        warnings=(*PUBLIC, LOCAL_TARGETS),
    )
