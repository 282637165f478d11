from __future__ import annotations

from blinktun.config.acl import Rule
from blinktun.tunnel.udp_limits import UdpLimits


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_at_most_the_rate_and_a_burst() -> None:
    clock = Clock()
    limits = UdpLimits(clock=clock)
    rule = Rule("*", upload=1000)
    passed = 0
    for _ in range(1000):
        passed += 100 * limits.allow((rule, None), 100, up=True)
        clock.now += 0.01
    assert 10_000 <= passed <= 10_000 + 1000 + 200


def test_each_direction_and_rule_by_itself() -> None:
    limits = UdpLimits(clock=Clock())
    slow, fast = Rule("a", upload=10), Rule("b", upload=10_000)
    assert limits.allow((slow,), 100, up=True)
    assert not limits.allow((slow,), 100, up=True)
    assert not limits.allow((fast, slow), 100, up=True)
    assert limits.allow((fast,), 100, up=True)
    assert all(limits.allow((slow,), 100, up=False) for _ in range(100))
    assert limits.allow((None, None), 1 << 16, up=True)
