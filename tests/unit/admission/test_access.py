from __future__ import annotations

import logging

import pytest

from blinktun.address import Address
from blinktun.admission.access import Access, Limits, source_of
from blinktun.config.acl import parse_rules
from blinktun.errors import AccessDenied

SOURCE, TARGET = Address("192.0.2.1", 5000), Address("example.com", 80)


def _access(text: str, *, remembered: int = 100) -> Access:
    return Access(parse_rules(text)[0], remembered=remembered)


def test_without_rules_everybody_may_everything() -> None:
    access = Access(None)
    assert access.check_source(SOURCE) is None
    assert access.limits(SOURCE, TARGET) == Limits(None, None)
    assert not any(access.note_failure(SOURCE) for _ in range(10))


def test_bans_of_sources_and_targets(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    access = _access("192.0.2.1 1\nexample.com:25 1")
    assert caplog.messages == ["[acl] 2 rules loaded"]
    with pytest.raises(AccessDenied, match=r'banned by rule: "192\.0\.2\.1 1"'):
        access.limits(SOURCE, TARGET)
    other = Address("192.0.2.2", 1)
    assert access.limits(other, TARGET) == Limits()
    with pytest.raises(AccessDenied, match=r'"example\.com:25 1"'):
        access.limits(other, Address("example.com", 25))


def test_the_lower_of_two_limits_counts() -> None:
    access = _access("192.0.2.1 0 5k 7k\n*:80 0 9k 2k\n*:81 0 - 1m\n*:82 0 1b")
    assert access.limits(SOURCE, TARGET) == Limits(5 << 10, 2 << 10)
    assert access.limits(SOURCE, Address("a", 81)) == Limits(5 << 10, 7 << 10)
    assert access.limits(SOURCE, Address("a", 82)) == Limits(1, 7 << 10)
    assert access.limits(Address("10.0.0.1", 1), Address("a", 82)) == Limits(1, None)


def test_the_second_failure_bans(caplog: pytest.LogCaptureFixture) -> None:
    access = _access("")
    assert not access.note_failure(SOURCE)
    assert access.check_source(SOURCE) is None
    assert access.note_failure(Address(SOURCE.host, 6000))
    assert access.note_failure(SOURCE)
    with pytest.raises(AccessDenied, match="failed too often"):
        access.check_source(Address(SOURCE.host, 7))
    assert access.check_source(Address("192.0.2.2", 7)) is None
    assert caplog.messages == ["[acl] 192.0.2.1 has failed 2 times and is banned"]


def test_memory_is_bounded() -> None:
    access = _access("", remembered=3)
    hosts = [Address(f"10.0.0.{n}", 1) for n in range(5)]
    for host in hosts:
        access.note_failure(host)
        access.note_failure(host)
    assert access.check_source(hosts[1]) is None
    for host in hosts[2:]:
        with pytest.raises(AccessDenied):
            access.check_source(host)
    for n in range(10):
        assert not access.note_failure(Address(f"10.0.1.{n}", 1))
    assert not access.note_failure(Address("10.0.1.1", 1))
    with pytest.raises(AccessDenied):
        access.check_source(hosts[4])


def test_sources() -> None:
    assert source_of("[::1]:5") == Address("::1", 5)
    assert source_of("192.0.2.1:5(7)") == Address("192.0.2.1", 5)
    assert source_of("") == Address("", 0)
    assert source_of("script") == Address("script", 0)


def test_a_name_may_not_lead_where_an_address_is_banned() -> None:
    access = _access("127.0.0.0/8 1")
    assert access.permits(TARGET, "192.0.2.9")
    assert not access.permits(TARGET, "127.0.0.1")
    assert Access(None).permits(TARGET, "127.0.0.1")


def test_a_rule_for_targets_alone_lets_the_same_address_come() -> None:
    access = _access("to:127.0.0.0/8 1\nfrom:192.0.2.9 1")
    near, far = Address("127.0.0.1", 5000), Address("192.0.2.9", 80)
    assert access.check_source(near) is None
    assert access.check_target(far) is None
    assert not access.permits(TARGET, "127.0.0.1")
    assert access.permits(TARGET, "192.0.2.9")
    with pytest.raises(AccessDenied, match=r'"to:127\.0\.0\.0/8 1"'):
        access.limits(near, Address("127.1", 80))
    with pytest.raises(AccessDenied, match=r'"from:192\.0\.2\.9 1"'):
        access.limits(far, TARGET)
