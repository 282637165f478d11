from __future__ import annotations

import copy
import pickle

import pytest

from blinktun import errors
from blinktun.errors import (
    AccessDenied,
    BlinktunError,
    ConfigError,
    LocalError,
    ProtocolError,
    RemoteError,
    TransportError,
)

EXAMPLES = [
    ConfigError("is unknown", fix="write aes", source="a.json", key="crypt", value="rot13"),
    TransportError("refused", peer="127.0.0.1:1"),
    LocalError("we broke it"),
    RemoteError("the peer broke it"),
    AccessDenied("not from here"),
]


def test_all_errors_have_one_root() -> None:
    classes = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    assert len(classes) >= 7
    assert all(issubclass(kind, BlinktunError) for kind in classes)
    assert issubclass(LocalError, ProtocolError)
    assert issubclass(RemoteError, ProtocolError)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (EXAMPLES[0], "a.json: crypt = rot13: is unknown; write aes"),
        (ConfigError("is empty", fix="fill it", source="a.json"), "a.json: is empty; fill it"),
        (ConfigError("is empty", fix="fill it", key="mtu"), "mtu: is empty; fill it"),
        (ConfigError("is empty", fix="fill it"), "is empty; fill it"),
        (EXAMPLES[1], "127.0.0.1:1: refused"),
        (TransportError("refused"), "refused"),
    ],
)
def test_the_text_is_built_from_the_facts(error: BlinktunError, text: str) -> None:
    assert str(error) == text


def test_facts_are_attributes() -> None:
    error = ConfigError("p", fix="f", source="s", key="k", value="v")
    assert (error.problem, error.fix, error.source) == ("p", "f", "s")
    assert (error.key, error.value) == ("k", "v")
    transport = TransportError("r", peer="p")
    assert (transport.reason, transport.peer) == ("r", "p")


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_errors_travel_between_processes(error: BlinktunError) -> None:
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(twin) is type(error)
        assert str(twin) == str(error)
        assert vars(twin) == vars(error)
