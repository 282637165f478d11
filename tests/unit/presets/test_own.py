from __future__ import annotations

import sys
from pathlib import Path

import pytest

from blinktun.address import Address
from blinktun.config.explain import shown
from blinktun.config.model import PresetSpec
from blinktun.effects import Reject
from blinktun.errors import ConfigError, RemoteError
from blinktun.presets.own import load_preset
from blinktun.presets.registry import PipelineMaker
from blinktun.testing.pair import PipelinePair, forwarded

EXAMPLE = str(Path(__file__).parents[3] / "examples/presets/greeting.py")
TARGET = Address("example.com", 80)

WHOLE = """
from blinktun.presets import Forward, Preset

class {name}(Preset):
    @classmethod
    def configure(cls, params):
        if params:
            raise KeyError("nothing to set")
        return lambda context: cls()

    def encode(self, data):
        yield Forward(data)

    decode = encode
"""


def _file(folder: Path, text: str) -> str:
    path = folder / "mine.py"
    path.write_text(text)
    return str(path)


def _error(name: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load_preset(name)
    return caught.value


def test_the_example() -> None:
    pair = PipelinePair([PresetSpec("ss-base"), PresetSpec(EXAMPLE, {"word": "hi"})], TARGET)
    wire = forwarded(pair.client.encode(b"payload"))
    assert wire.startswith(b"hi\3")
    received = [forwarded(pair.server.decode(bytes((byte,)))) for byte in wire]
    assert b"".join(received) == b"payload"
    assert forwarded(pair.client.decode(forwarded(pair.server.encode(b"answer")))) == b"answer"
    assert pair.server.decode_eof() == []


def test_the_example_refuses_other_words() -> None:
    specs = [PresetSpec("ss-base"), PresetSpec(EXAMPLE, {"word": "hi"})]
    assert PipelinePair(specs, TARGET).server.decode(b"ho") == [Reject("this is not the word")]
    server = PipelinePair(specs, TARGET).server
    assert server.decode(b"h") == []
    assert Reject("ended inside the word") in server.decode_eof()


def test_datagrams_of_the_example() -> None:
    pair = PipelinePair([PresetSpec("ss-base"), PresetSpec(EXAMPLE, {"word": "hi"})], TARGET)
    wire = pair.client.encode_datagram(b"payload", TARGET)
    assert pair.server.decode_datagram(wire) == (TARGET, b"payload")
    with pytest.raises(RemoteError):
        pair.server.decode_datagram(b"ho")


def test_a_file_is_loaded_once(tmp_path: Path) -> None:
    name = _file(tmp_path, WHOLE.format(name="Mine"))
    assert load_preset(name) is load_preset(f"{name}:Mine")
    assert PipelineMaker([PresetSpec("ss-base"), PresetSpec(name)]).without_datagrams == ()


def test_a_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "blinktun_test_of_own").mkdir()
    (tmp_path / "blinktun_test_of_own" / "inner.py").write_text(WHOLE.format(name="Mine"))
    monkeypatch.syspath_prepend(tmp_path)
    try:
        assert load_preset("blinktun_test_of_own.inner").__name__ == "Mine"
        kind = load_preset("blinktun_test_of_own.inner:Mine")
        assert kind is load_preset("blinktun_test_of_own.inner")
        error = _error("blinktun_test_of_own.other")
        assert error.problem == "there is no module blinktun_test_of_own.other"
    finally:
        for name in [name for name in sys.modules if name.startswith("blinktun_test_of_own")]:
            del sys.modules[name]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("x = 1", "has no preset"),
        ("from blinktun.presets import Preset", "has no preset"),
        ("1 / 0", "cannot be imported: ZeroDivisionError: division by zero (mine.py, line 1)"),
        ("class (", "cannot be imported: SyntaxError: "),
        ("import no_such_thing", "cannot be imported: ModuleNotFoundError: No module named"),
        (WHOLE.format(name="A") + WHOLE.format(name="B"), "has several presets: A, B"),
        (
            "from blinktun.presets import Preset\nclass A(Preset): pass",
            "A is not complete: it does not define configure, decode, encode",
        ),
    ],
)
def test_files_that_cannot_be_used(tmp_path: Path, text: str, problem: str) -> None:
    assert _error(_file(tmp_path, text)).problem.startswith(problem)


def test_a_base_of_ones_own_is_no_second_preset(tmp_path: Path) -> None:
    text = "from blinktun.presets import Preset\nclass Base(Preset): pass\n"
    assert load_preset(_file(tmp_path, text + WHOLE.format(name="A"))).__name__ == "A"


def test_things_that_are_not_there(tmp_path: Path) -> None:
    name = _file(tmp_path, WHOLE.format(name="A") + "\nnumber = 1\nclass Other: pass\n")
    assert _error(f"{name}:B").problem == "has no class B"
    assert _error(f"{name}:number").problem == "has no class number"
    assert _error(f"{name}:Other").problem == "Other is no blinktun.presets.Preset"
    assert _error(str(tmp_path / "none.py")).problem == "is no file"
    assert _error("no_such_package.module").problem == "there is no module no_such_package"


def test_errors_name_their_place_in_the_configuration(tmp_path: Path) -> None:
    name = _file(tmp_path, WHOLE.format(name="A"))
    with pytest.raises(ConfigError) as caught:
        PipelineMaker([PresetSpec("ss-base"), PresetSpec(f"{name}:B")])
    assert caught.value.key == "presets[1].name"
    assert caught.value.value == shown(f"{name}:B")
    with pytest.raises(ConfigError) as caught:
        PipelineMaker([PresetSpec("ss-base"), PresetSpec(name, {"x": 1})])
    assert caught.value.key == "presets[1].params"
    assert caught.value.problem == "were refused by A: KeyError: 'nothing to set'"
