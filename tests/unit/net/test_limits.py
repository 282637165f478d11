from __future__ import annotations

import resource

import pytest

from blinktun.errors import TransportError
from blinktun.net.limits import DialBudget, dial_budget, share_for_unauthenticated, source_key


@pytest.mark.parametrize(
    ("soft", "share"), [(400, 100), (65536, 4096), (resource.RLIM_INFINITY, 4096)]
)
def test_a_quarter(soft: int, share: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _what: (soft, soft))
    assert share_for_unauthenticated() == share


def test_a_source_has_its_part_of_a_budget() -> None:
    budget = DialBudget(2, 3)
    budget.take("a")
    budget.take("a")
    with pytest.raises(TransportError, match=r"too many dials at once for a \(2\)"):
        budget.take("a")
    with budget.hold("b"):
        with pytest.raises(TransportError, match=r"too many dials at once \(3\)"):
            budget.take("c")
        assert len(budget) == 3
    budget.give_back("a")
    budget.take("a")
    assert len(budget) == 2


def test_a_budget_forgets_sources_that_wait_for_nothing() -> None:
    budget = DialBudget(2, 3, what="lookups")
    for number in range(100):
        with budget.hold(str(number)):
            pass
    assert len(budget) == 0
    assert not budget._by_source


@pytest.mark.parametrize(
    ("host", "key"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("@socket", "@socket"),
    ],
)
def test_a_source_is_an_address_or_a_network(host: str, key: str) -> None:
    assert source_key(host) == key


def test_dials_get_a_share_of_the_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (400, 400))
    budget = dial_budget()
    for _ in range(100):
        budget.take("a")
    with pytest.raises(TransportError):
        budget.take("b")
