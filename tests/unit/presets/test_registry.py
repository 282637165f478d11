from __future__ import annotations

import contextlib

import pytest

from blinktun.config.model import PresetSpec
from blinktun.config.options_blinksocks import PRESET_PARAMS
from blinktun.errors import ConfigError
from blinktun.presets.base import PresetContext, Role
from blinktun.presets.registry import PRESETS, PipelineMaker


def _error(*specs: PresetSpec, where: str = "presets", role: Role = Role.SERVER) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        PipelineMaker(specs, where=where, role=role)
    return caught.value


def test_a_pipeline_per_connection() -> None:
    make = PipelineMaker([PresetSpec("ss-base"), PresetSpec("ss-aead-cipher")])
    context = PresetContext(Role.CLIENT, "key")
    assert make(context) is not make(context)


def test_unknown_name_suggests_the_nearest() -> None:
    error = _error(PresetSpec("ss-base"), PresetSpec("ss-aead-ciper"), where="server.presets")
    assert str(error).startswith(
        'server.presets[1].name = "ss-aead-ciper": is not a known preset; '
        "did you mean ss-aead-cipher? (known: "
    )


def test_a_name_like_nothing_lists_all() -> None:
    assert _error(PresetSpec("zzzz")).fix == f"known: {', '.join(PRESETS)}"


def test_mux_is_not_for_users() -> None:
    assert _error(PresetSpec("mux")).fix == "remove it"


def test_parameters_are_named_in_full() -> None:
    error = _error(PresetSpec("ss-base"), PresetSpec("ss-stream-cipher", {"method": "rot13"}))
    assert error.key == "presets[1].params.method"
    assert error.value == '"rot13"'


def test_a_long_value_is_not_shown_whole() -> None:
    error = _error(PresetSpec("ss-base"), PresetSpec("ss-aead-cipher", {"method": "x" * 5000}))
    assert len(str(error)) < 400


def test_a_preset_that_needs_another_behind_it() -> None:
    base, stream, chain = (
        PresetSpec(name) for name in ("ss-base", "ss-stream-cipher", "ssr-auth-chain-a")
    )
    for specs in ([base, chain], [base, stream, chain]):
        error = _error(*specs, where="server.presets")
        assert str(error) == (
            f'server.presets[{len(specs) - 1}].name = "ssr-auth-chain-a": needs ss-stream-cipher'
            " behind it; put ss-stream-cipher after it"
        )
    PipelineMaker([base, chain, PresetSpec("ss-aead-cipher"), stream])


def test_exactly_one_carries_the_target() -> None:
    assert _error().problem == "holds no preset"
    assert _error(PresetSpec("ss-aead-cipher")).problem == "no preset carries the target"
    doubled = _error(PresetSpec("ss-base"), PresetSpec("ss-base"))
    assert doubled.problem == "presets[0] and presets[1] both carry the target"


def test_what_must_come_last() -> None:
    tls = PresetSpec("obfs-tls1.2-ticket", {"sni": "example.com"})
    error = _error(PresetSpec("ss-base"), tls, PresetSpec("ss-aead-cipher"))
    assert str(error) == (
        'presets[1].name = "obfs-tls1.2-ticket": works only as the last preset; move it to the end'
    )


def test_what_only_clients_need() -> None:
    specs = PresetSpec("ss-base"), PresetSpec("obfs-tls1.2-ticket")
    PipelineMaker(specs)(PresetContext(Role.SERVER, "key"))
    error = _error(*specs, where="server.presets", role=Role.CLIENT)
    assert str(error) == (
        "server.presets[1].params.sni: is missing; a client's obfs-tls1.2-ticket needs it"
    )


class _Asked(dict[str, object]):
    """Parameters that remember what was asked for."""

    def __init__(self) -> None:
        super().__init__(unknown=1)  # some presets ask for nothing when nothing is given
        self.names: set[str] = set()

    def get(self, key: str, default: object = None) -> object:
        self.names.add(key)
        return _VALID.get(key, default)


_VALID = {"id": "12345678-1234-1234-1234-123456789abc", "salt": "salt", "sni": "example.com"}


@pytest.mark.parametrize("name", PRESETS)
def test_the_table_of_parameters_knows_all_that_are_read(name: str) -> None:
    asked = _Asked()
    with contextlib.suppress(ConfigError):
        PRESETS[name].configure(asked)
    assert asked.names <= set(PRESET_PARAMS.get(name, ()))
    assert bool(asked.names) == (name in PRESET_PARAMS)
