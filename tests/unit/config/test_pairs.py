"""What both ends' files must have alike, and ports that two files want."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.unit.config.blinksocks import client_values, link, read

from blinktun.config.document import parse_document
from blinktun.config.kcptun import kcptun_from_document
from blinktun.config.pairs import differences, shared_ports

if TYPE_CHECKING:
    from blinktun.config.model import RoleConfig

KEY = "a text that is long, and random?"


def _kcptun(side: str, **values: object) -> RoleConfig:
    base: dict[str, object] = {"key": KEY}
    base |= {"remoteaddr": "h:29900"} if side == "client" else {"listen": ":29900"}
    text = json.dumps({**base, **values})
    return kcptun_from_document(parse_document(text, f"{side}.json"), side, {})


@pytest.mark.parametrize(
    ("near", "far", "unlike"),
    [
        ({}, {}, ""),
        ({"mtu": 1200, "sndwnd": 5, "mode": "fast3", "conn": 4}, {"mode": "normal"}, ""),
        ({}, {"key": "another text that is long"}, "key"),
        ({"key": "x", "crypt": "none"}, {"key": "y", "crypt": "none"}, ""),
        ({"crypt": "aes"}, {"crypt": "salsa20", "key": "x"}, "key, crypt"),
        ({"nocomp": True}, {}, "nocomp"),
        ({"smuxver": 2}, {"smuxver": 1}, "smuxver"),
        ({"smuxver": 2}, {}, ""),
        ({}, {"smuxver": 2}, "smuxver"),
        ({"datashard": 20}, {"mode": "fast"}, "datashard and parityshard (no error correction)"),
        ({"datashard": 20}, {}, ""),  # auto takes any parity and sends none
        ({"qpp": True}, {}, "qpp"),
        ({"qpp": True, "qpp-count": 7}, {"qpp": True}, "qpp-count or qpp-revision"),
        ({"remoteaddr": "h:1", "crypt": "sm4"}, {}, ""),  # it leads elsewhere
        ({"remoteaddr": "h:29000-30000", "crypt": "sm4"}, {}, "crypt"),
    ],
)
def test_ends_of_kcptun(near: dict[str, object], far: dict[str, object], unlike: str) -> None:
    both = [_kcptun("client", **near), _kcptun("server", **far)]
    expected = f"client.json and server.json will not understand each other: {unlike}"
    assert list(differences(both)) == ([expected] if unlike else [])
    assert list(differences(both[::-1])) == ([expected] if unlike else [])


@pytest.mark.parametrize(
    ("changes", "unlike"),
    [
        ({}, ""),
        ({"key": "another"}, "key"),
        ({"mux": True}, "mux"),
        ({"presets": [{"name": "ss-base"}, {"name": "ss-stream-cipher"}]}, "presets"),
        (
            {
                "presets": [
                    {"name": "ss-base"},
                    {"name": "ss-aead-cipher", "params": {"method": "aes-256-gcm"}},
                ]
            },
            "",  # the default
        ),
        ({"service": "ws://0.0.0.0:7000"}, "transport, path"),
        ({"service": "tcp://0.0.0.0:7001", "key": "another"}, ""),
    ],
)
def test_ends_of_blinksocks(changes: dict[str, object], unlike: str) -> None:
    near = read(client_values())
    far = read(link(**{"service": "tcp://0.0.0.0:7000", **changes}))
    found = list(differences([near, far]))
    assert found == (
        [f"b.json and b.json will not understand each other: {unlike}"] if unlike else []
    )


def test_ends_of_blinksocks_behind_kcptun() -> None:
    near = read(client_values({"service": "tcp://127.0.0.1:12948", "key": "one"}))
    far = read(link(service="tcp://127.0.0.1:30370", key="two"))
    road = [_kcptun("client"), _kcptun("server", target="127.0.0.1:30370")]
    assert list(differences([near, far])) == []
    (only,) = differences([near, *road, far])
    assert only.endswith(": key")


def test_two_files_with_one_port() -> None:
    one, other = _kcptun("server"), _kcptun("server", listen="127.0.0.1:29900")
    (only,) = shared_ports([one, other])
    assert only == ("server.json and server.json listen on one port, udp 29900: change one of them")
    apart = _kcptun("server", listen="127.0.0.2:29900")
    assert list(shared_ports([other, apart])) == []
    assert list(shared_ports([one, read(link(service="tcp://0.0.0.0:29900"))])) == []
    near = _kcptun("client", localaddr=str(Path("/run/a.sock")))
    assert list(shared_ports([near, near])) == []
