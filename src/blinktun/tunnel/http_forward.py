"""Requests of an application to their origins, one after the other, and the responses back."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blinktun.effects import ConnectTo
from blinktun.errors import LocalError, RemoteError, TransportError
from blinktun.proxies.http_exchange import Exchange, Origin
from blinktun.proxies.http_head import HttpError
from blinktun.relay.relay import linger, relay, silence
from blinktun.transports.watching import unless_broken
from blinktun.tunnel.application import refusal_of

if TYPE_CHECKING:
    from blinktun.address import Address
    from blinktun.effects import Chunk
    from blinktun.transports.base import Stream
    from blinktun.tunnel.application import Application
    from blinktun.tunnel.outbound import Outbound

_PIECE = 65536
"""Bytes that are parsed before others get their turn: as tiny chunks they take about 0.04 s."""


@dataclass(frozen=True, slots=True)
class _Way:
    """An open tunnel to an origin."""

    target: Address
    stream: Stream
    origin: Origin


class HttpForward:
    """One application that sends requests.

    One tunnel is kept at a time: the next request uses it if it has the same origin. Each tunnel
    leaves its own line in the log. An application that asks for CONNECT leaves here with it.

    Args:
        app: The application.
        outbound: Opens tunnels.
        idle: Seconds without a byte that end a request, or the wait for the next.
    """

    def __init__(self, app: Application, outbound: Outbound, *, idle: float) -> None:
        self._app = app
        self._outbound = outbound
        self._idle = idle
        self._way: _Way | None = None
        self._app_ended = False

    async def run(self, exchange: Exchange) -> Address | str:
        """Serve requests; returns the target of a CONNECT, or how the connection has ended.

        Raises:
            TransportError: a connection broke; what is open is to be aborted.
            RemoteError: likewise, and somebody broke the protocol.
        """
        wanted: Exchange | ConnectTo | str = exchange
        while isinstance(wanted, Exchange):
            self._app.stream.owes_answer, self._app.is_resting = True, False
            await self._serve(wanted)
            self._app.stream.owes_answer = False
            if wanted.switched:
                await self._go_raw(wanted)
                return "closed"
            if not wanted.lasts:
                await self._leave()
                return "closed"
            self._app.is_resting = True
            wanted = await self._next()
        self._app.is_resting = False
        await self._drop_way()
        if isinstance(wanted, str):
            await linger(self._app.stream)
            return wanted
        return wanted.target

    async def _serve(self, exchange: Exchange) -> None:
        """Get an answer to a request, from its origin or from us."""
        reused = self._way is not None and self._way.target == exchange.target
        try:
            failure = await self._attempt(exchange)
            if failure and reused and exchange.replayable:
                # RFC 9112, section 9.3.1: the origin may have closed before it saw the request.
                failure = await self._attempt(exchange)
            if failure is None:
                return
            if exchange.answering or isinstance(failure, HttpError):
                raise failure
            reply = exchange.refused(refusal_of(failure))
        except HttpError as error:
            if exchange.answering:
                raise
            await self._drop_way(str(error))
            reply = exchange.fail(error.status, str(error))
        await self._app.stream.send(reply)

    async def _attempt(self, exchange: Exchange) -> Exception | None:
        """Try to get an answer from the origin; returns what is wrong with it, if anything is."""
        try:
            way = await self._way_to(exchange.target)
        except (TransportError, LocalError) as error:
            self._app.record.log_end(f"no tunnel: {error}")
            return error
        failure = await self._carry(exchange, way)
        if failure:
            await self._drop_way(str(failure))
        elif not way.origin.reusable and not exchange.switched:
            await self._drop_way()
        return failure

    async def _way_to(self, target: Address) -> _Way:
        """Take the tunnel that is there, or open one."""
        if self._way and self._way.target == target:
            return self._way
        await self._drop_way()
        self._app.lead_to(target)
        stream = await unless_broken(self._app.stream, self._outbound.open(target))
        self._app.tunnel = stream
        self._way = _Way(target, stream, Origin())
        return self._way

    async def _drop_way(self, how: str = "closed") -> None:
        if self._way is None:
            return
        way, self._way = self._way, None
        self._app.tunnel = None
        self._app.record.log_end(how)
        if way.origin.finished:
            await way.stream.aclose()
        else:
            way.stream.abort()

    # --- one request on one tunnel ---

    async def _carry(self, exchange: Exchange, way: _Way) -> Exception | None:
        """Copy both ways until it is over; returns what is wrong with the origin, if anything is.

        Raises:
            TransportError: the application is gone.
            HttpError: the application's request is malformed.
        """
        self._app.record.traffic.last = time.monotonic()
        up = asyncio.create_task(self._upload(exchange, way))
        down = asyncio.create_task(self._download(exchange, way))
        try:
            return await self._watch(exchange, up, down)
        finally:
            for task in (up, down):
                task.cancel()
            await asyncio.gather(up, down, return_exceptions=True)

    async def _watch(
        self, exchange: Exchange, up: asyncio.Task[None], down: asyncio.Task[Exception | None]
    ) -> Exception | None:
        traffic = self._app.record.traffic
        pending: set[asyncio.Task[None] | asyncio.Task[Exception | None]] = {up, down}
        while down in pending or (up in pending and not exchange.over):
            left = traffic.last + self._idle - time.monotonic()
            if left <= 0:
                return silence(self._idle)
            done, pending = await asyncio.wait(
                pending, timeout=left, return_when=asyncio.FIRST_COMPLETED
            )
            if up in done:
                up.result()
            if down in done and (failure := down.result()):
                return failure
        return None

    async def _upload(self, exchange: Exchange, way: _Way) -> None:
        """Pass the request on. What comes behind it waits, but an application that is gone shows.

        An origin that takes no more may still have answered: that is up to the other direction.
        """
        sent = await self._send_up(way, exchange.begin(way.origin))
        while sent and not exchange.asked:
            data = await self._app.stream.receive()
            if not data:
                raise TransportError("left during a request", peer=self._app.stream.peer)
            sent = await self._upload_pieces(exchange, way, data)
        if exchange.asked and not exchange.answered and not self._app_ended:
            data = await self._app.stream.receive()
            self._app_ended = not data
            exchange.upload(data)

    async def _upload_pieces(self, exchange: Exchange, way: _Way, data: Chunk) -> bool:
        """Send a part of the request; returns whether the origin takes more."""
        for piece in _pieces(data):
            if not await self._send_up(way, exchange.upload(piece)):
                return False
            await asyncio.sleep(0)
        return True

    async def _send_up(self, way: _Way, data: Chunk) -> bool:
        """Send to the origin; returns whether it takes more."""
        if data:
            try:
                await way.stream.send(data)
            except TransportError:
                return False
            self._app.record.traffic.add(up=len(data))
        return True

    async def _download(self, exchange: Exchange, way: _Way) -> Exception | None:
        """Pass the response on; returns what is wrong with the origin, if anything is."""
        while not exchange.answered and not exchange.switched:
            try:
                data = await way.stream.receive()
            except (TransportError, RemoteError) as error:
                return error
            for piece in (data,) if exchange.counts else _pieces(data):
                try:
                    reply = exchange.download(piece)
                except RemoteError as error:
                    return error
                await self._send_down(reply)
        return None

    async def _send_down(self, reply: Chunk) -> None:
        if reply:
            self._app.record.traffic.last = time.monotonic()
            await self._app.stream.send(reply)
            self._app.record.traffic.add(down=len(reply))
        await asyncio.sleep(0)

    async def _go_raw(self, exchange: Exchange) -> None:
        """Both sides have agreed on another protocol: copy it."""
        way = self._way
        if way is None:
            raise LocalError("switched without a tunnel")
        app, traffic = self._app.stream, self._app.record.traffic
        up, down = exchange.leftovers()
        if up:
            await way.stream.send(up)
        if down:
            await app.send(down)
        traffic.add(up=len(up), down=len(down))
        await relay(app, way.stream, idle=self._idle, traffic=traffic)
        await asyncio.gather(app.aclose(), way.stream.aclose())

    # --- between requests ---

    async def _next(self) -> Exchange | ConnectTo | str:
        """Wait for the next request; returns how the connection ends if there is none."""
        handshake = self._app.handshake
        try:
            async with asyncio.timeout(self._idle):
                errand = await self._app.perform(handshake.start())
                while errand is None:
                    data = b"" if self._app_ended else await self._receive()
                    if not data:
                        return "closed"
                    errand = await self._app.perform(handshake.receive(data))
        except TimeoutError:
            return str(silence(self._idle))
        except RemoteError as error:
            return str(error)
        if isinstance(errand, Exchange | ConnectTo):
            return errand
        raise LocalError("HTTP knows no datagrams")

    async def _receive(self) -> Chunk:
        """Receive from the application; meanwhile, a tunnel that ends or speaks is dropped."""
        if self._way is None:
            return await self._app.stream.receive()
        asking = asyncio.create_task(self._app.stream.receive())
        leaving = asyncio.create_task(self._way.stream.receive())
        try:
            await asyncio.wait((asking, leaving), return_when=asyncio.FIRST_COMPLETED)
            if leaving.done():
                await self._drop_way()
            return await asking
        finally:
            for task in (asking, leaving):
                task.cancel()
            await asyncio.gather(asking, leaving, return_exceptions=True)

    async def _leave(self) -> None:
        """Close behind a last response, so that it can be read."""
        await self._drop_way()
        await linger(self._app.stream)


def _pieces(data: Chunk) -> list[Chunk]:
    """Cut what is to be parsed; nothing, which is an end, is one piece."""
    if len(data) <= _PIECE:
        return [data]
    view = memoryview(data)
    return [view[at : at + _PIECE] for at in range(0, len(data), _PIECE)]
