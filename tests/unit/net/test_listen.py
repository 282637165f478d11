from __future__ import annotations

import errno
import re
import socket

import pytest

from blinktun.address import Address
from blinktun.errors import TransportError
from blinktun.net import listen as room
from blinktun.net.listen import (
    bind_each,
    bind_on_one_port,
    listen_failure,
    listen_hosts,
    listen_tcp,
)

NAME = Address("name.example", 1)


def _missing(host: str) -> str:
    if ":" in host:
        raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
    return host


@pytest.mark.parametrize(
    ("host", "found"),
    [
        ("", ["0.0.0.0", "::"]),
        ("::", ["0.0.0.0", "::"]),
        ("0.0.0.0", ["0.0.0.0"]),
        ("192.0.2.1", ["192.0.2.1"]),
        ("localhost", ["127.0.0.1", "::1"]),
    ],
)
def test_what_a_host_means(host: str, found: list[str]) -> None:
    assert listen_hosts(Address(host, 1)) == found


def test_a_name_means_what_the_system_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "ask_system_now", lambda _host, _within: ["192.0.2.1", "192.0.2.2"])
    assert listen_hosts(NAME) == ["192.0.2.1", "192.0.2.2"]


def test_a_family_that_is_missing_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    assert bind_each(NAME, ["127.0.0.1", "::1"], _missing) == ["127.0.0.1"]
    assert caplog.messages == [
        "name.example:1: not listening on ::1 as well: Address family not supported by protocol"
    ]


@pytest.mark.parametrize("everywhere", ["", "::"])
def test_a_family_that_is_missing_is_no_surprise_where_no_address_was_asked_for(
    everywhere: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert bind_each(Address(everywhere, 1), ["0.0.0.0", "::"], _missing) == ["0.0.0.0"]
    assert not caplog.messages


def test_no_family_at_all_is_an_error() -> None:
    with pytest.raises(OSError, match="not supported"):
        bind_each(NAME, ["::1"], _missing)
    with pytest.raises(OSError, match="has no address"):
        bind_each(NAME, [], _missing)


def test_an_address_in_use_is_an_error_whatever_the_others_are() -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as taken:
        where = Address("localhost", taken.getsockname()[1])
        with pytest.raises(TransportError, match=f"cannot listen on tcp {where}: .*in use"):
            listen_tcp(where)
        listen_tcp(Address("127.0.0.1", where.port))[0].close()  # nothing was left open


def test_any_port_is_one_that_is_free_in_both_families() -> None:
    tried: list[tuple[str, int]] = []

    def bind(host: str, port: int) -> socket.socket:
        tried.append((host, port))
        if len(tried) == 2:
            raise OSError(errno.EADDRINUSE, "Address already in use")
        made = socket.socket()
        made.bind(("127.0.0.1", 0))
        return made

    made = bind_on_one_port(Address("localhost", 0), ["127.0.0.1", "::1"], bind)
    first = made[0].getsockname()[1]
    assert [port for _, port in tried[2:]] == [0, first]
    for one in made:
        one.close()


def test_a_name_that_does_not_resolve_is_named() -> None:
    with pytest.raises(TransportError, match=r"cannot listen on tcp nobody\.invalid:1: \w"):
        listen_tcp(Address("nobody.invalid", 1))


@pytest.mark.parametrize(
    ("protocol", "port", "number", "said"),
    [
        ("tcp", 1080, errno.EADDRINUSE, r"in use by another program .*ss -lntp sport = :1080"),
        ("udp", 29900, errno.EADDRINUSE, r"in use by another program .*ss -lnup sport = :29900"),
        ("udp", 53, errno.EACCES, r"ports below 1024 need CAP_NET_BIND_SERVICE .*Ambient"),
        ("tcp", 80, errno.EPERM, r"ports below 1024 need CAP_NET_BIND_SERVICE"),
        ("tcp", 8080, errno.EACCES, r"Permission denied$"),
        ("tcp", 8080, errno.EADDRNOTAVAIL, r"does not have that address"),
        ("tcp", 8080, errno.ENOBUFS, r"No buffer space available$"),
    ],
)
def test_a_failure_says_what_can_be_done(protocol: str, port: int, number: int, said: str) -> None:
    error = listen_failure(protocol, Address("h", port), OSError(number, "x"))
    assert re.search(f"^cannot listen on {protocol} h:{port}: .*{said}", str(error))
