"""The rules of a blinksocks server: who may come, where to, and how fast (blinksocks, 9.1)."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

from blinktun.config.host_name import is_host_name
from blinktun.destination import destinations, parse_ip

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from blinktun.address import Address

_Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
_Host: TypeAlias = str | _Network


class End(Enum):
    """The ends of a connection that a rule can be about; the text is its prefix in a file."""

    SOURCE = "from"
    TARGET = "to"


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the file.

    Attributes:
        host: ``*``, a name in lower case, or the addresses that are meant.
        port: The one port it is about; None: every port.
        ban: Whether connections from or to there are closed at once.
        upload: Bytes a second that a connection may carry to its target; None: no limit.
        download: The same for bytes from its target.
        text: The line as it was written, for the log.
        end: The one end that it is about; None: both, as in the original.
    """

    host: _Host
    port: int | None = None
    ban: bool = False
    upload: int | None = None
    download: int | None = None
    text: str = ""
    end: End | None = None

    def is_about(self, end: End) -> bool:
        """Whether this end of a connection is looked up in it."""
        return self.end in {None, end}


class Matcher:
    """Finds the rule for an endpoint, in a time that does not grow with their number.

    Names are compared as text, whatever their case: a rule for a name says nothing about names
    below it. Addresses are compared by value, however they are written, and by what they lead to: a
    rule for 127.0.0.1 is one for 0.0.0.0 too.
    """

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._by_host: dict[_Host, list[tuple[int, Rule]]] = {}
        self._prefixes: set[tuple[int, int]] = set()
        for number, rule in enumerate(rules):
            self._by_host.setdefault(rule.host, []).append((number, rule))
            if not isinstance(rule.host, str):
                self._prefixes.add((rule.host.version, rule.host.prefixlen))

    def find(self, endpoint: Address, ip: str | None = None) -> Rule | None:
        """The last of the rules that fit a source or target, or the address ``ip`` that it has."""
        found = [
            next((r for r in reversed(rules) if r[1].port in {None, endpoint.port}), None)
            for host in self._hosts(endpoint.host, ip)
            if (rules := self._by_host.get(host))
        ]
        return max(filter(None, found), key=lambda numbered: numbered[0], default=(0, None))[1]

    def _hosts(self, host: str, resolved: str | None) -> Iterator[_Host]:
        """Every ``host`` of a rule that fits this one."""
        yield "*"
        ip = parse_ip(host)
        if ip is None:
            yield _name(host)
            ip = parse_ip(resolved) if resolved else None
        if ip is None:
            return
        for reached in destinations(ip):
            for version, length in self._prefixes:
                if version == reached.version:
                    yield ipaddress.ip_network((reached, length), strict=False)


def parse_rules(text: str) -> tuple[tuple[Rule, ...], list[str]]:
    """Read a file: its rules, and for each line that is none what is wrong with it.

    A line is ``[to:|from:]host[/mask][:port] [ban] [max upload/s] [max download/s]``; ``#`` begins
    a comment.
    """
    rules: list[Rule] = []
    problems: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        fields = line.partition("#")[0].split()
        if not fields:
            continue
        try:
            rules.append(_rule(line, *fields))
        except ValueError as error:
            problems.append(f"line {number} {error}: it is skipped")
    return tuple(rules), problems


def _rule(
    line: str, endpoint: str, ban: str = "0", up: str = "-", down: str = "-", *more: str
) -> Rule:
    del more  # the original does not look at them either
    if len(line) > _LONGEST_LINE:
        raise ValueError(f"is longer than {_LONGEST_LINE} characters")
    end, rest = _end(endpoint)
    found = _ENDPOINT.fullmatch(rest)
    if not found:
        raise ValueError("does not begin with a host, host:port or address/bits")
    if ban not in {"0", "1"}:
        raise ValueError("has a second field that is neither 0 nor 1")
    host = _host(found["literal"] or found["v6"] or found["host"])
    port = _port(next((found[name] for name in ("port", "port6") if found[name] is not None), "*"))
    text = line.partition("#")[0].strip()
    return Rule(host, port, ban == "1", _limit(up), _limit(down), text, end)


def _end(endpoint: str) -> tuple[End | None, str]:
    """The end that a prefix names, and what is behind it."""
    prefix, colon, rest = endpoint.partition(":")
    end = next((end for end in End if colon and end.value == prefix.lower()), None)
    if end is None:
        return None, endpoint
    if _DIGITS.fullmatch(rest):
        # The original takes this for a host of that name.
        raise ValueError(f"can be read in two ways: write {end.value}:*:{rest} for a port")
    return end, rest


def _host(text: str) -> _Host:
    if text == "*":
        return text
    address, slash, bits = text.partition("/")
    ip = parse_ip(address)
    if ip is not None and not slash:
        return ipaddress.ip_network(ip)
    if ip is not None and _DIGITS.fullmatch(bits) and int(bits) <= ip.max_prefixlen:
        return ipaddress.ip_network((ip, int(bits)), strict=False)
    if slash or not is_host_name(_name(text)):
        raise ValueError("has a host that is neither a name nor an address")
    return _name(text)


def _port(text: str) -> int | None:
    if text == "*":
        return None
    if not _DIGITS.fullmatch(text) or not 1 <= int(text) <= 65535:
        raise ValueError("has a port outside 1..65535")
    return int(text)


def _limit(text: str) -> int | None:
    if text == "-":
        return None
    found = _SPEED.fullmatch(text.lower())
    if not found or not int(found["number"]):
        raise ValueError("has a speed that is neither - nor a number with b, k, m or g")
    return int(found["number"]) << _SHIFTS[found["unit"][0]]


def _name(text: str) -> str:
    return text.lower().removesuffix(".")


_LONGEST_LINE = 300
_SHIFTS = {"b": 0, "k": 10, "m": 20, "g": 30}
_DIGITS = re.compile(r"[0-9]{1,5}", re.ASCII)
_SPEED = re.compile(r"(?P<number>[0-9]{1,15})(?P<unit>b|kb?|mb?|gb?)", re.ASCII)
_ENDPOINT = re.compile(
    r"\[(?P<literal>[^\[\]]+)\](?::(?P<port6>[^:]*))?"
    r"|(?P<v6>[^\[\]:]*:[^\[\]]*:[^\[\]]*)"
    r"|(?P<host>[^\[\]:]+)(?::(?P<port>[^:]*))?"
)
