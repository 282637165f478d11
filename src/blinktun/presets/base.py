"""What a preset is, and what its authors get to work with."""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, TypeAlias, TypeVar

from blinktun.config.explain import shown, suggestion
from blinktun.errors import ConfigError
from blinktun.presets.replay import NO_GUARD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from blinktun.address import Address
    from blinktun.effects import Chunk, Effect, Reject
    from blinktun.presets.replay import ReplayGuard

_T = TypeVar("_T")

_MAX_FILE = 1 << 20
"""Largest file that a parameter may name: nobody writes one, and a mistaken path may be a disk."""


class Role(Enum):
    """Which end of the tunnel a preset works for."""

    CLIENT = "client"
    SERVER = "server"


@dataclass(frozen=True, slots=True)
class PresetContext:
    """What a preset knows about its connection.

    Attributes:
        role: The end it works for.
        key: The password both ends share.
        random: Gives that many random bytes.
        clock: Gives the time of day in seconds since 1970.
        replays: What a server remembers of earlier connections.
    """

    role: Role
    key: str
    random: Callable[[int], bytes] = os.urandom
    clock: Callable[[], float] = time.time
    replays: ReplayGuard = NO_GUARD


class Preset(ABC):
    """A byte transformer with two directions and the state of one connection.

    ``encode`` is given what goes to the wire, ``decode`` what comes from it. Both get chunks cut
    anywhere and yield effects: ``Forward`` continues in the same direction, ``Reply`` turns round
    and continues in the other, ``Reject`` ends the connection. Incomplete input is kept, within a
    bound; a call may yield nothing.

    Datagrams have a pair of their own: each is whole, none is kept back, and one that is refused
    leaves the others alone. A pipeline serves either a connection or an association, never both.
    """

    carries_datagrams: ClassVar[bool] = True
    """Whether there is a form for datagrams; if not, a list with this preset has no UDP."""
    chains_datagrams: ClassVar[bool] = False
    """Whether a datagram is unreadable if one before it was lost."""
    salts_datagrams: bool = False
    """Whether each datagram gets bytes drawn for it alone, so that an equal one is a copy."""
    comes_last: ClassVar[bool] = False
    """Whether nothing may stand between it and the wire."""
    client_params: ClassVar[tuple[str, ...]] = ()
    """Parameters that clients need, and servers can do without."""

    needs_behind: ClassVar[str] = ""
    """The preset, by name, that has to stand somewhere behind this one, nearer the wire."""

    @classmethod
    @abstractmethod
    def configure(cls, params: Mapping[str, object]) -> PresetMaker:
        """Check the parameters once, and return what makes this preset for each connection.

        Raises:
            ConfigError: ``key`` names the parameter, without a prefix.
        """

    def attach(self, siblings: Sequence[Preset]) -> None:  # noqa: B027 - few presets care
        """Learn the presets of the same connection, itself among them, before any data."""

    @property
    def holds_back(self) -> bool:
        """Whether it keeps what it was given to encode until the peer has answered.

        Its owner gives it nothing more meanwhile, so that what is kept has a bound.
        """
        return False

    @abstractmethod
    def encode(self, data: Chunk) -> Iterable[Effect]:
        """Take bytes towards the wire; empty data only asks for what must go out first."""

    @abstractmethod
    def decode(self, data: Chunk) -> Iterable[Effect]:
        """Take bytes from the wire, never empty."""

    def decode_eof(self) -> Iterable[Effect]:
        """Take the end of the wire's bytes: ``Reject`` if they stopped inside something."""
        return ()

    def on_authenticated(self) -> Reject | None:
        """Learn that the peer has the key, as the layers above have found out.

        A server that could not tell before remembers now what no client sends twice: what it
        remembered earlier would be mostly noise.
        """
        return None

    def encode_datagram(self, data: bytes) -> bytes:
        """Take a datagram towards the wire."""
        return data

    def decode_datagram(self, data: bytes) -> bytes:
        """Take a datagram from the wire.

        Raises:
            RemoteError: the peer cannot have sent it.
        """
        return data


class AddressingPreset(Preset):
    """A preset that carries the target: every list has exactly one.

    On a client ``set_target`` comes before any data; on a server it yields ``ConnectTo`` once, and
    then forwards what follows. For datagrams ``set_target`` comes before each, at both ends: on a
    server with the address that the client asked for.
    """

    sends_lone_header: ClassVar[bool] = True
    """Whether servers take the target without a byte of payload behind it."""

    @abstractmethod
    def set_target(self, target: Address) -> None:
        """Say where this connection is to lead.

        Raises:
            LocalError: the target cannot be written in this preset's form.
        """

    def unpack_datagram(self, data: bytes) -> tuple[Address | None, bytes]:
        """Take a datagram from the wire.

        Returns:
            The address it names, None if datagrams of this direction name none, and its payload.

        Raises:
            RemoteError: the peer cannot have sent it.
        """
        return None, self.decode_datagram(data)


PresetMaker: TypeAlias = "Callable[[PresetContext], Preset]"
"""Makes one preset for one connection."""


def choose(
    params: Mapping[str, object], key: str, choices: Mapping[str, _T], *, default: str = ""
) -> _T:
    """Look a parameter up in a table; without a default it is required.

    Raises:
        ConfigError: it is missing, or not a name in the table.
    """
    value = params.get(key, default)
    if isinstance(value, str) and value in choices:
        return choices[value]
    problem = "is not a known choice" if value else "is missing"
    raise ConfigError(
        problem,
        key=key,
        value=shown(value) if value else "",
        fix=suggestion(value if isinstance(value, str) else "", choices),
    )


def text_param(
    params: Mapping[str, object], key: str, *, default: str = "", example: str = ""
) -> str:
    """Read a parameter that is text and not empty; without a default it is required.

    Raises:
        ConfigError: it is missing, empty or something else.
    """
    value = params.get(key, default)
    if isinstance(value, str) and value and _is_unicode(value):
        return value
    problem = "is missing"
    if value:
        problem = "is not Unicode" if isinstance(value, str) else "is not a string"
    fix = f"write a string, for example {example}" if example else "write a string"
    raise ConfigError(problem, key=key, value=shown(value) if value else "", fix=fix)


def file_param(params: Mapping[str, object], key: str, *, example: str) -> tuple[Path, str]:
    """Read the file that a parameter names.

    Returns:
        Its path and its text.

    Raises:
        ConfigError: the parameter is missing, or the file cannot be read as text.
    """
    name = text_param(params, key, example=example)
    problem = f"is larger than {_MAX_FILE >> 20} MiB"
    try:
        with Path(name).open("rb") as file:
            data = file.read(_MAX_FILE + 1)
        if len(data) <= _MAX_FILE:
            return Path(name), data.decode("utf-8")
    except UnicodeDecodeError:
        problem = "is not UTF-8"
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        problem = f"cannot be read: {getattr(error, 'strerror', error)}"
    fix = f"write the path of a text file, for example {example}"
    raise ConfigError(problem, key=key, value=shown(name), fix=fix)


def _is_unicode(text: str) -> bool:
    """Whether it can be written: JSON can name halves of characters."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
