"""What rules do to the clients of the machine that they are on."""

from __future__ import annotations

import pytest

from blinktun.address import Address
from blinktun.config.acl import parse_rules
from blinktun.config.acl_file import warnings_of_rules, warnings_of_targets

LOCAL, EVERYWHERE, PUBLIC = (Address(h, 1) for h in ("127.0.0.1", "0.0.0.0", "192.0.2.1"))
REDIRECT = Address("127.0.0.1", 80)


def _warnings(text: str, listen: Address, redirect: Address | None = REDIRECT) -> list[str]:
    return list(warnings_of_rules(parse_rules(text)[0], redirect, listen))


@pytest.mark.parametrize("rule", ["127.0.0.0/8 1", "*:* 1", "::1 1", "127.0.0.1 1"])
@pytest.mark.parametrize("listen", [LOCAL, Address("::1", 1), Address("localhost", 1), EVERYWHERE])
def test_a_rule_that_bans_clients_of_this_machine_is_named(rule: str, listen: Address) -> None:
    (warning,) = _warnings(rule, listen)
    assert warning.startswith(f'rule "{rule}" also bans clients that come from this machine')
    assert f'write "to:{rule}"' in warning


@pytest.mark.parametrize(
    ("rules", "listen"),
    [
        ("to:127.0.0.0/8 1", LOCAL),
        ("from:127.0.0.0/8 1", LOCAL),  # it says what it means
        ("127.0.0.0/8 1\n127.0.0.1 0\n::1 0", LOCAL),
        ("127.0.0.0/8 0 1k", LOCAL),
        ("127.0.0.0/8 1", PUBLIC),
        ("", LOCAL),
    ],
)
def test_other_rules_are_not(rules: str, listen: Address) -> None:
    assert _warnings(rules, listen) == []


def test_failures_behind_one_address_lock_all_out() -> None:
    assert "all clients are one source" in _warnings("", LOCAL, None)[0]
    assert list(warnings_of_rules(None, None, LOCAL)) == []


@pytest.mark.parametrize(
    ("text", "warns"),
    [
        ("", True),
        ("to:127.0.0.0/8 1\n", True),
        ("to:127.0.0.0/8 1\nto:::1 1\nto:169.254.0.0/16 1\n", False),
        ("from:* 1\n", True),
        ("to:* 1\n", False),
    ],
)
def test_targets_on_this_machine_are_named_until_something_says_what_is_meant(
    text: str, *, warns: bool
) -> None:
    rules, _ = parse_rules(text)
    assert bool(list(warnings_of_targets(rules))) is warns
    assert len(list(warnings_of_targets(None))) == 1
