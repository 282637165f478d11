"""However an IPv4 address is put into an IPv6 one, it is judged as itself."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blinktun.address import Address
from blinktun.admission.targets import TargetPolicy
from blinktun.config.acl import Matcher, parse_rules
from blinktun.config.model import Targets
from blinktun.destination import destinations, kind_of, parse_ip

if TYPE_CHECKING:
    from collections.abc import Callable

    from blinktun.destination import Ip

FORMS: dict[str, Callable[[int, int], Ip]] = {
    "itself": lambda v4, _: ipaddress.IPv4Address(v4),
    "mapped": lambda v4, _: ipaddress.IPv6Address(0xFFFF << 32 | v4),
    "compatible": lambda v4, _: ipaddress.IPv6Address(v4),
    "translated": lambda v4, _: ipaddress.IPv6Address(0xFFFF << 48 | v4),
    "nat64": lambda v4, _: ipaddress.IPv6Address(0x64FF9B << 96 | v4),
    "6to4": lambda v4, rest: ipaddress.IPv6Address(0x2002 << 112 | v4 << 80 | rest),
    "teredo": lambda v4, rest: ipaddress.IPv6Address(
        0x20010000 << 96 | (rest & 0xFFFFFFFF) << 64 | v4 ^ 0xFFFFFFFF
    ),
    "teredo server": lambda v4, rest: ipaddress.IPv6Address(
        0x20010000 << 96 | v4 << 64 | rest & 0xFFFFFFFFFFFFFFFF
    ),
    "isatap": lambda v4, rest: ipaddress.IPv6Address(
        0x20010DB8 << 96 | (rest & 0xFFFFFFFF) << 64 | 0x5EFE << 32 | v4
    ),
}
v4s = st.integers(2, 2**32 - 1)  # 0 and 1 are :: and ::1 in the compatible form
local_v4s = st.sampled_from(["127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4"]).flatmap(
    lambda network: st.ip_addresses(network=network)
)
rests = st.integers(0, 2**80 - 1)


@pytest.mark.parametrize("form", FORMS)
@given(v4=v4s, rest=rests)
def test_the_address_inside_is_a_destination(form: str, v4: int, rest: int) -> None:
    ip = FORMS[form](v4, rest)
    assert ipaddress.IPv4Address(v4) in set(destinations(ip))
    assert parse_ip(str(ip)) in {ip, ipaddress.IPv4Address(v4)}
    kind_of(ip)  # every address is of some kind


@pytest.mark.parametrize("form", FORMS)
@given(inner=local_v4s, rest=rests)
def test_no_form_gets_around_policy_or_rules(
    form: str, inner: ipaddress.IPv4Address, rest: int
) -> None:
    ip = str(FORMS[form](int(inner), rest))
    policy = TargetPolicy(Targets.REMOTE, is_own=lambda _: False)
    assert policy.objection(ip)
    rules = Matcher(parse_rules(f"to:{inner} 1")[0])
    rule = rules.find(Address(ip, 80))
    assert rule is not None
    assert rule.ban


@given(st.text(max_size=40))
def test_any_text_is_judged_or_is_a_name(text: str) -> None:
    ip = parse_ip(text)
    if ip is not None:
        kind_of(ip)
