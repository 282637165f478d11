"""Whose file it is; `test_load.py` has the errors."""

from __future__ import annotations

import pytest

from blinktun.config.document import Document
from blinktun.config.kinds import program_of, refuse_other_program
from blinktun.errors import ConfigError


@pytest.mark.parametrize(
    ("keys", "program"),
    [
        (("LocalAddr", "key"), "kcptun"),
        (("listen", "server_port", "password"), "kcptun"),
        (("servers",), "blinksocks"),
        (("presets", "key"), "blinksocks"),
    ],
)
def test_keys_tell(keys: tuple[str, ...], program: str) -> None:
    document = Document("x.json", dict.fromkeys(keys, 1))
    assert program_of(document) == program
    refuse_other_program(document, program)
    with pytest.raises(ConfigError, match=f"is a file of {program}"):
        refuse_other_program(document, "kcptun" if program == "blinksocks" else "blinksocks")


def test_a_file_without_such_keys_is_left_to_its_program() -> None:
    for program in ("kcptun", "blinksocks"):
        refuse_other_program(Document("x.json", {"mtu": 1200}), program)
