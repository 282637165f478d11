"""What a running blinksocks 3.3.8 answers, where better answers are not possible.

Deviations are listed with their reason: nothing else may differ.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import pytest

from blinktun.address import Address
from blinktun.config.model import Credentials
from blinktun.effects import ConnectTo, Reject, Reply
from blinktun.proxies.base import Associate
from blinktun.proxies.detect import Detect
from blinktun.proxies.http import HttpProxy
from blinktun.proxies.http_message import answer

if TYPE_CHECKING:
    from blinktun.proxies.base import Handshake


class Step(TypedDict):
    send: str
    recv: str


class Case(TypedDict):
    name: str
    service: str
    steps: list[Step]
    connection_closed_by_proxy_afterwards: bool


# RFC 1929: the answer to username and password has version 01.
GRANTED_LOGIN, REFUSED_LOGIN = "0100", "0101"
_SPEAKS_SOCKS = "this port speaks SOCKS5: curl -x socks5h://HOST:0 ..."
DEVIATIONS: dict[str, list[str]] = {
    "socks5 both methods offered, any credentials accepted when none configured": [
        "0502",
        GRANTED_LOGIN,
        "05000001000000000000",
    ],
    "socks5 only GSSAPI offered (quirk: accepted)": ["05ff"],
    "socks5 unknown command": ["0500", "05070001000000000000"],
    "socks5 unknown atyp": ["0500", "05080001000000000000"],
    # It is not malformed but incomplete: the user name has five bytes.
    "socks5 malformed sub-negotiation": ["0502", ""],
    # It is an HTTP request: the application learns what this port speaks.
    "garbage": [answer(None, HTTPStatus.BAD_REQUEST, _SPEAKS_SOCKS, close=True).hex()],
    # A port with a password lets nobody in without it.
    "auth: socks4 is not authenticated (quirk)": ["005b000000000000"],
    "auth: right credentials": ["0502", GRANTED_LOGIN, "05000001000000000000"],
    "auth: wrong password": ["0502", REFUSED_LOGIN],
}
HTTP_STATUS = {
    "CONNECT": "200",
    "CONNECT right credentials": "200",
    "relative URL": "400",
    "CONNECT invalid port": "400",
    "not HTTP": "400",
    "GET without credentials": "407",
    "CONNECT without credentials": "407",
    "CONNECT wrong credentials": "407",
}
LISTENS = 1080
CASES: list[Case] = json.loads(
    (Path(__file__).parents[2] / "vectors/blinksocks/proxies.json").read_text("utf-8")
)["cases"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
@pytest.mark.parametrize("size", [1, 1000])
def test_answers(case: Case, size: int) -> None:
    handshake = _handshake(case)
    answers, rejected = [], False
    for step in case["steps"]:
        answer, ended = _play(handshake, bytes.fromhex(step["send"]), size)
        answers.append(answer)
        rejected |= ended
    if case["service"].startswith("http"):
        assert answers[0].split(b" ")[1].decode() == HTTP_STATUS[case["name"]]
    else:
        port = LISTENS.to_bytes(2, "big").hex()
        recorded = [step["recv"].replace("<listen_port_be16>", port) for step in case["steps"]]
        assert [answer.hex() for answer in answers] == DEVIATIONS.get(case["name"], recorded)
        if case["name"] not in DEVIATIONS and "BIND" not in case["name"]:
            assert rejected is case["connection_closed_by_proxy_afterwards"]


def _handshake(case: Case) -> Handshake:
    credentials = Credentials("user", "pass") if "user:pass@" in case["service"] else None
    return HttpProxy(credentials) if case["service"].startswith("http") else Detect(credentials)


def _play(handshake: Handshake, data: bytes, size: int) -> tuple[bytes, bool]:
    """Send data in pieces; return what is answered and whether the connection is over."""
    answer = b""
    for at in range(0, len(data), size):
        for effect in handshake.receive(data[at : at + size]):
            match effect:
                case Reply(reply):
                    answer += reply
                case ConnectTo():
                    answer += handshake.granted()
                case Associate():
                    answer += handshake.granted_datagrams(Address("127.0.0.1", LISTENS))
                case Reject():
                    return answer, True
    return answer, False
