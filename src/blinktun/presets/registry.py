"""From the ``presets`` of a configuration to pipelines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blinktun.config.explain import shown, suggestion
from blinktun.config.own_presets import is_own_preset
from blinktun.errors import ConfigError
from blinktun.presets.aead_random_cipher import AeadRandomCipher
from blinktun.presets.auto_conf import AutoConf
from blinktun.presets.base import AddressingPreset, Preset, PresetContext, PresetMaker, Role
from blinktun.presets.base_auth import BaseAuth
from blinktun.presets.base_auth_stream import BaseAuthStream
from blinktun.presets.base_with_padding import BaseWithPadding
from blinktun.presets.obfs_http import ObfsHttp
from blinktun.presets.obfs_random_padding import ObfsRandomPadding
from blinktun.presets.obfs_tls12_ticket import ObfsTls12Ticket
from blinktun.presets.own import load_preset
from blinktun.presets.pipeline import Pipeline
from blinktun.presets.ss_aead_cipher import SsAeadCipher
from blinktun.presets.ss_base import SsBase
from blinktun.presets.ss_stream_cipher import SsStreamCipher
from blinktun.presets.ssr_auth_aes128 import SsrAuthAes128Md5, SsrAuthAes128Sha1
from blinktun.presets.ssr_auth_chain import SsrAuthChainA, SsrAuthChainB
from blinktun.presets.v2ray_vmess import V2rayVmess

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blinktun.config.model import PresetSpec


class _AutoConf(AutoConf):
    """auto-conf whose lists name presets of this registry."""

    @classmethod
    def suite(cls, specs: Sequence[PresetSpec], *, where: str) -> PipelineMaker:
        """Check a list of presets."""
        return PipelineMaker(specs, where=where)


PRESETS: dict[str, type[Preset]] = {
    "base-auth": BaseAuth,
    "ss-base": SsBase,
    "ss-stream-cipher": SsStreamCipher,
    "ss-aead-cipher": SsAeadCipher,
    "v2ray-vmess": V2rayVmess,
    "obfs-random-padding": ObfsRandomPadding,
    "obfs-http": ObfsHttp,
    "obfs-tls1.2-ticket": ObfsTls12Ticket,
    "aead-random-cipher": AeadRandomCipher,
    "ssr-auth-aes128-md5": SsrAuthAes128Md5,
    "ssr-auth-aes128-sha1": SsrAuthAes128Sha1,
    "ssr-auth-chain-a": SsrAuthChainA,
    "ssr-auth-chain-b": SsrAuthChainB,
    # Of old releases:
    "exp-base-with-padding": BaseWithPadding,
    "base-with-padding": BaseWithPadding,
    "exp-base-auth-stream": BaseAuthStream,
    "base-auth-stream": BaseAuthStream,
    "auto-conf": _AutoConf,
}
"""Every preset, by the name that configurations use. A new preset adds one line."""


class PipelineMaker:
    """The checked ``presets`` of a configuration: call it for the pipeline of one connection.

    Args:
        specs: The presets, the one nearest the application first.
        role: The end they are for: some parameters are needed at one alone.
        where: What the list is called in the configuration, for messages.
        source: Where the configuration was read, for messages.

    Raises:
        ConfigError: a name or parameter cannot be used, not exactly one preset carries targets, or
            one stands where it cannot work.

    Attributes:
        sends_lone_header: As of its addressing preset.
        chains_datagrams: Whether one of them does.
        without_datagrams: The presets, by name, for whose sake there is no UDP.
    """

    def __init__(
        self,
        specs: Sequence[PresetSpec],
        *,
        role: Role = Role.SERVER,
        where: str = "presets",
        source: str = "",
    ) -> None:
        try:
            kinds = [_find(spec.name, f"{where}[{at}].name") for at, spec in enumerate(specs)]
            self._makers = [
                _configure(kind, spec, f"{where}[{at}].params")
                for at, (kind, spec) in enumerate(zip(kinds, specs, strict=True))
            ]
            self._addressing, carrier = _addressing(kinds, where)
            _check_order(specs, kinds, where)
            if role is Role.CLIENT:
                _check_client_params(specs, kinds, where)
            self.sends_lone_header = carrier.sends_lone_header
            self.chains_datagrams = any(kind.chains_datagrams for kind in kinds)
            self.without_datagrams = tuple(
                spec.name
                for spec, kind in zip(specs, kinds, strict=True)
                if not kind.carries_datagrams
            )
        except ConfigError as error:
            error.source = source
            raise

    def __call__(self, context: PresetContext) -> Pipeline:
        """Make the pipeline of one connection."""
        return Pipeline([make(context) for make in self._makers])

    def for_mux(self, context: PresetContext) -> Pipeline:
        """Make the pipeline of a connection whose targets are named by frames inside it."""
        return Pipeline(
            [make(context) for at, make in enumerate(self._makers) if at != self._addressing]
        )


def _find(name: str, key: str) -> type[Preset]:
    """The preset of a name, a user's own by module or file; ``key`` says where the name stands."""
    if name in PRESETS:
        return PRESETS[name]
    if not is_own_preset(name):
        raise _unknown(name, key)
    try:
        return load_preset(name)
    except ConfigError as error:
        raise ConfigError(error.problem, fix=error.fix, key=key, value=shown(name)) from error


def _unknown(name: str, key: str) -> ConfigError:
    if name == "mux":
        problem, fix = "is inserted by the program", "remove it"
    else:
        problem, fix = "is not a known preset", suggestion(name, PRESETS)
    return ConfigError(problem, key=key, value=shown(name), fix=fix)


def _configure(kind: type[Preset], spec: PresetSpec, key: str) -> PresetMaker:
    """Have a preset check its parameters; ``key`` says where they stand."""
    try:
        return kind.configure(spec.params)
    except ConfigError as error:
        inner = f"{key}.{error.key}" if error.key else key
        raise ConfigError(error.problem, fix=error.fix, key=inner, value=error.value) from None
    except Exception as error:
        if spec.name in PRESETS:
            raise
        problem = f"were refused by {kind.__name__}: {type(error).__name__}: {error}"
        fix = "change them, or what configure() does with them"
        raise ConfigError(problem, fix=fix, key=key) from error


def _check_order(specs: Sequence[PresetSpec], kinds: Sequence[type[Preset]], where: str) -> None:
    """Refuse a preset that cannot work between those around it."""
    for at, (spec, kind) in enumerate(zip(specs, kinds, strict=True)):
        behind = [other.name for other in specs[at + 1 :]]
        if kind.needs_behind and kind.needs_behind not in behind:
            problem, fix = (
                f"needs {kind.needs_behind} behind it",
                f"put {kind.needs_behind} after it",
            )
        elif kind.comes_last and behind:
            problem, fix = "works only as the last preset", "move it to the end"
        else:
            continue
        raise ConfigError(problem, key=f"{where}[{at}].name", value=shown(spec.name), fix=fix)


def _check_client_params(
    specs: Sequence[PresetSpec], kinds: Sequence[type[Preset]], where: str
) -> None:
    for at, (spec, kind) in enumerate(zip(specs, kinds, strict=True)):
        for name in kind.client_params:
            if name not in spec.params:
                key, fix = f"{where}[{at}].params.{name}", f"a client's {spec.name} needs it"
                raise ConfigError("is missing", key=key, fix=fix)


def _addressing(kinds: Sequence[type[Preset]], where: str) -> tuple[int, type[AddressingPreset]]:
    """The place and kind of the preset that carries the target."""
    if not kinds:
        raise ConfigError("holds no preset", key=where, fix="start it with ss-base")
    carriers = [(at, kind) for at, kind in enumerate(kinds) if issubclass(kind, AddressingPreset)]
    if not carriers:
        raise ConfigError("no preset carries the target", key=where, fix="put ss-base first")
    if len(carriers) > 1:
        places = " and ".join(f"{where}[{at}]" for at, _ in carriers)
        problem = f"{places} both carry the target"
        raise ConfigError(problem, key=where, fix="keep one of them")
    return carriers[0]
