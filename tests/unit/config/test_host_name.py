"""What can be a host name."""

from __future__ import annotations

import pytest

from blinktun.config.host_name import is_host_name


@pytest.mark.parametrize(
    "text", ["h", "Example.COM", "a-b.c", "1.2.3.4", "a" * 63, "xn--bcher-kva.x"]
)
def test_labels_of_letters_digits_and_inner_hyphens(text: str) -> None:
    assert is_host_name(text)


@pytest.mark.parametrize(
    "text", ["", "a.", ".a", "a_b", "-a", "a-", "bücher", "a" * 64, ".".join(["a" * 63] * 4), "a\n"]
)
def test_anything_else_is_none(text: str) -> None:
    assert not is_host_name(text)
