from __future__ import annotations

import resource

import pytest

from blinktun.address import Address
from blinktun.app.descriptors import SPARE, need_descriptors, want_descriptors
from blinktun.config.model import KcptunServer, PortRange
from blinktun.errors import ConfigError


class Limits:
    """The process's limits, which no test changes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, soft: int, hard: int) -> None:
        self.now = (soft, hard)
        monkeypatch.setattr(resource, "getrlimit", lambda _what: self.now)
        monkeypatch.setattr(resource, "setrlimit", self._set)

    def _set(self, _what: int, limits: tuple[int, int]) -> None:
        self.now = limits


def server(ports: int, workers: int = 1) -> KcptunServer:
    listen = PortRange("", 3000, 3000 + ports - 1)
    return KcptunServer(listen, Address("h", 1), workers=workers, source="k.json")


def test_what_suffices_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = Limits(monkeypatch, 1024, 4096)
    need_descriptors([])
    need_descriptors([server(1), server(800)])
    assert limits.now == (1024, 4096)
    limits = Limits(monkeypatch, resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    need_descriptors([server(60_000)])
    assert limits.now[0] == resource.RLIM_INFINITY


@pytest.mark.parametrize("hard", [4096, resource.RLIM_INFINITY])
def test_the_soft_limit_is_raised_as_far_as_needed(
    monkeypatch: pytest.MonkeyPatch, hard: int
) -> None:
    limits = Limits(monkeypatch, 256, hard)
    need_descriptors([server(1000)])
    assert limits.now == (1002 + SPARE, hard)


@pytest.mark.parametrize(("workers", "needed"), [(1, 5002), (4, 20008)])
def test_a_range_beyond_the_hard_limit_is_refused(
    monkeypatch: pytest.MonkeyPatch, workers: int, needed: int
) -> None:
    Limits(monkeypatch, 256, 4096)
    with pytest.raises(ConfigError, match="5000 sockets") as caught:
        need_descriptors([server(10), server(5000, workers)])
    error = caught.value
    assert (error.source, error.key) == ("k.json", "listen")
    assert error.value == '":3000-7999"'
    assert "may open 4096 descriptors" in error.problem
    assert (f"each of {workers} workers" in error.problem) is (workers > 1)
    assert f"{needed + 12 + SPARE} (ulimit -n" in error.fix


@pytest.mark.parametrize(
    ("soft", "hard", "then"),
    [
        (1024, 4096, 4096),
        (1024, 1 << 20, 65536),
        (1024, resource.RLIM_INFINITY, 65536),
        (1 << 18, 1 << 20, 1 << 18),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, resource.RLIM_INFINITY),
    ],
)
def test_a_proxy_takes_what_it_may(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, then: int
) -> None:
    limits = Limits(monkeypatch, soft, hard)
    want_descriptors()
    assert limits.now == (then, hard)
