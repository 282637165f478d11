"""How a blinksocks client reaches targets through its server."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from blinktun.presets.base import PresetContext, Role
from blinktun.tunnel.preset_stream import PresetStream
from blinktun.tunnel.targets import is_interactive

if TYPE_CHECKING:
    from blinktun.address import Address
    from blinktun.config.model import ServerLink
    from blinktun.presets.registry import PipelineMaker
    from blinktun.transports.base import Dialer, Stream


class Outbound(ABC):
    """Opens a stream for every target.

    Attributes:
        sends_lone_header: Whether the target may go out before there is a byte to go with it:
            ``send(b"")`` on a new stream does that.
    """

    sends_lone_header: bool

    @abstractmethod
    async def open(self, target: Address) -> Stream:
        """Reach the server; the target goes out with the first bytes that are sent.

        Raises:
            TransportError: the server cannot be reached.
            LocalError: the presets cannot carry this target.
        """

    async def aclose(self) -> None:  # noqa: B027 - most have nothing to close
        """Close what the streams share, when all of them are gone."""


class DirectOutbound(Outbound):
    """A connection to the server for each target."""

    def __init__(self, link: ServerLink, make_pipeline: PipelineMaker, dialer: Dialer) -> None:
        self._server = link.address
        self._make_pipeline = make_pipeline
        self._context = PresetContext(Role.CLIENT, link.key)
        self._dialer = dialer
        self.sends_lone_header = make_pipeline.sends_lone_header

    async def open(self, target: Address) -> Stream:
        """Connect. What somebody waits for goes before other streams."""
        pipeline = self._make_pipeline(self._context)
        pipeline.set_target(target)
        dialer = self._dialer
        connect = dialer.connect_interactive if is_interactive(target) else dialer.connect
        return PresetStream(await connect(self._server), pipeline)

    async def aclose(self) -> None:
        """Close what the connections shared."""
        await self._dialer.aclose()
