from __future__ import annotations

import resource

import pytest

from blinktun.net.limits import share_for_strangers


@pytest.mark.parametrize(
    ("soft", "share"), [(400, 100), (65536, 4096), (resource.RLIM_INFINITY, 4096)]
)
def test_a_quarter(soft: int, share: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _what: (soft, soft))
    assert share_for_strangers() == share
