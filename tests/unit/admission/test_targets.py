from __future__ import annotations

import ipaddress

import pytest

from blinktun.address import Address
from blinktun.admission.access import Access
from blinktun.admission.targets import TargetPolicy
from blinktun.config.acl import parse_rules
from blinktun.config.model import Targets
from blinktun.errors import AccessDenied

OWN = ipaddress.ip_address("198.51.100.7")


def _policy(targets: Targets) -> TargetPolicy:
    return TargetPolicy(targets, is_own=lambda ip: ip == OWN)


@pytest.mark.parametrize("text", ["127.0.0.1", "0", "169.254.169.254", "fe80::1", "ff02::1"])
def test_this_machine_and_its_link(text: str) -> None:
    assert not _policy(Targets.ANY).objection(text)
    assert f"{text} is " in _policy(Targets.REMOTE).objection(text)
    assert _policy(Targets.PUBLIC).objection(text)


@pytest.mark.parametrize("text", ["198.51.100.7", "::ffff:198.51.100.7", "64:ff9b::198.51.100.7"])
def test_own_addresses_in_every_form(text: str) -> None:
    assert "an address of this machine" in _policy(Targets.REMOTE).objection(text)
    assert not _policy(Targets.ANY).objection(text)


def test_private_networks_are_other_machines() -> None:
    assert not _policy(Targets.REMOTE).objection("192.168.1.1")
    assert "private network" in _policy(Targets.PUBLIC).objection("192.168.1.1")
    assert not _policy(Targets.PUBLIC).objection("9.9.9.9")
    assert not _policy(Targets.PUBLIC).objection("example.com")


def test_an_address_is_judged_once_a_second() -> None:
    asked: list[object] = []
    now = [0.0]

    def is_own(ip: object) -> bool:
        asked.append(ip)
        return False

    policy = TargetPolicy(Targets.REMOTE, is_own=is_own, clock=lambda: now[0])
    for _ in range(1000):
        policy.objection("9.9.9.9")
    assert len(asked) == 1
    now[0] = 1.5
    policy.objection("9.9.9.9")
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("rules", "open_"),
    [
        ("to:127.0.0.1:80 0", True),
        ("to:127.0.0.0/8 0 - 1m", True),
        ("to:localhost 0", False),  # the address itself was asked for
        ("127.0.0.1 0", False),  # may be about a client
        ("to:* 0 - 1m", False),  # a limit for all names nobody
        ("*:80 0", False),
        ("to:127.0.0.1:80 0\nto:127.0.0.1 1", False),
        ("to:127.0.0.1:81 0", False),
    ],
)
def test_a_rule_opens_what_it_names(rules: str, *, open_: bool) -> None:
    access = Access(parse_rules(rules)[0], _policy(Targets.REMOTE))
    target = Address("127.0.0.1", 80)
    assert access.permits(target, "127.0.0.1") is open_
    if open_:
        access.check_target(target)
    else:
        with pytest.raises(AccessDenied):
            access.check_target(target)


def test_names_are_judged_by_where_they_lead() -> None:
    access = Access(parse_rules("to:inside.example 0")[0], _policy(Targets.REMOTE))
    assert access.check_target(Address("vm.example", 80)) is None
    assert not access.permits(Address("vm.example", 80), "127.0.0.1")
    assert access.permits(Address("vm.example", 80), "9.9.9.9")
    assert access.permits(Address("inside.example", 80), "127.0.0.1")
