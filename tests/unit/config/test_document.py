"""Files that are hardly JSON."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blinktun.config.document import LARGEST_BYTES, parse_document, read_document
from blinktun.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "problem", "fix"),
    [
        ("", "is empty", "{ ... }"),
        (" \n ", "is empty", "{ ... }"),
        ("[]", "is not a JSON object", "{"),
        ("null", "is not a JSON object", "{"),
        ('"x"', "is not a JSON object", "{"),
        ('{\n  "a": 1\n  "b": 2\n}', "line 3, column 3: is not JSON", "comma"),
        ('{\n  "a" 1}', "line 2, column 7: is not JSON", "colon"),
        ("{\n  // note\n}", "line 2, column 3: is not JSON", "remove the comment"),
        ('{"a": 1, /* x */ "b": 2}', "is not JSON", "remove the comment"),
        ('{"a": 1,}', "is not JSON", "remove the comma before }"),
        ('{"a": [1,\n  ]}', "is not JSON", "remove the comma before ]"),
        ("{'a': 1}", "line 1, column 2: is not JSON", "double quotes"),
        ("{\u201ca\u201d: 1}", "line 1, column 2: is not JSON", "plain double quotes"),
        ('{"a": True}', "line 1, column 7: is not JSON", "lower case"),
        ("{a: 1}", "line 1, column 2: is not JSON", 'write keys as "key"'),
        ('{"a": "x}', "line 1, column 7: is not JSON", "close the string"),
        ('{"a": "x\ny"}', "line 1, column 9: is not JSON", "\\n"),
        ('{"a": 01}', "line 1, column 8: is not JSON", "comma"),
        ('{"a": NaN}', "is not a sensible JSON text", "numbers"),
        ('{"a": -Infinity}', "is not a sensible JSON text", "numbers"),
        ('{"a": ' + "9" * 10000 + "}", "is not a sensible JSON text", "numbers"),
        ('{"a": ' + "[" * 200000, "is not a sensible JSON text", "nesting"),
    ],
)
def test_errors_say_where(text: str, problem: str, fix: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_document(text, "x.json")
    assert caught.value.source == "x.json"
    assert problem in caught.value.problem
    assert fix in str(caught.value)


def test_what_follows_is_reported() -> None:
    assert parse_document('{"a": 1} \n', "x").rest == ""
    assert parse_document('{"a": 1}\n {}', "x").rest == "line 2, column 2"


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.json", tmp_path):
        with pytest.raises(ConfigError, match="cannot be read: ") as caught:
            read_document(path)
        assert caught.value.source == str(path)


def test_files_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(b'{\n"a": "\xff"}')
    with pytest.raises(ConfigError, match="line 2, column 7: is not UTF-8"):
        read_document(path)
    path.write_bytes(b" " * (LARGEST_BYTES + 1))
    with pytest.raises(ConfigError, match="is larger than"):
        read_document(path)
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read_document(path).values == {"a": 1}


@given(st.text(max_size=60) | st.text(alphabet='{}[]",:0123456789.eE-+ntrufalse \n\\', max_size=60))
def test_any_text_is_an_object_or_a_config_error(text: str) -> None:
    try:
        document = parse_document(text, "x")
    except ConfigError:
        return
    assert isinstance(document.values, dict)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("blinksocks.client.js", "module.exports = {host: 'localhost'};"),
        ("c.json", "// mine\n/* and\nmore */ module.exports = {};"),
        ("c", "'use strict';\nmodule.exports = {};"),
        ("c", 'const key = "x";\nmodule.exports = {key};'),
        ("c.js", "{}"),
    ],
)
def test_a_script_is_not_run_but_its_owner_learns_how_to_make_json_of_it(
    name: str, text: str
) -> None:
    with pytest.raises(ConfigError, match="is JavaScript") as caught:
        parse_document(text, name)
    target = f"{name.removesuffix('.js').removesuffix('.json')}.json"
    command = f"node -p 'JSON.stringify(require(\"./{name}\"), null, 2)' > {target}"
    assert caught.value.fix == f"write it as JSON: {command}"


def test_the_command_for_a_script_makes_json_of_it(tmp_path: Path) -> None:
    path = tmp_path / "my config.js"
    path.write_text("const key = 'it\\'s';\nmodule.exports = {service: 'tcp://h:1', key,};\n")
    with pytest.raises(ConfigError) as caught:
        read_document(path)
    command = caught.value.fix.removeprefix("write it as JSON: ")
    subprocess.run(command, shell=True, check=True, timeout=60)
    document = read_document(tmp_path / "my config.json")
    assert document.values == {"service": "tcp://h:1", "key": "it's"}


def test_keys_that_are_there_more_than_once() -> None:
    document = parse_document('{"a": 1, "b": {"c": 1, "c": 2}, "a": 3}', "x")
    assert document.repeated == ("c", "a")
    assert document.values == {"b": {"c": 2}, "a": 3}
    assert parse_document('{"a": 1, "b": {"a": 2}}', "x").warnings == []
