from __future__ import annotations

import pytest

from blinktun.config.model import Credentials
from blinktun.proxies.base import credentials_match


@pytest.mark.parametrize(
    ("expected", "presented", "match"),
    [
        (("user", "pass"), (b"user", b"pass"), True),
        (("user", "pass"), (b"user", b"nope"), False),
        (("user", "pass"), (b"userp", b"ass"), False),
        (("us@er", "p:ss", "us%40er", "p%3Ass"), (b"us%40er", b"p%3Ass"), True),
        (("us@er", "p:ss", "us%40er", "p%3Ass"), (b"us@er", b"p:ss"), True),
        (("us@er", "p:ss", "us%40er", "p%3Ass"), (b"us@er", b"p%3Ass"), False),
        (("jürgen", "x"), ("jürgen".encode(), b"x"), True),
        (("user", "pass"), (b"", b""), False),
        (("user", "pass"), (b"\xff\xfe", b"\x00"), False),
    ],
)
def test_credentials(
    expected: tuple[str, ...], presented: tuple[bytes, bytes], match: bool
) -> None:
    assert credentials_match(Credentials(*expected), *presented) is match
