"""The flights of a TLS 1.2 handshake that resumes a session (blinksocks wire, 5.11; RFC 5077).

They only look like it: whatever TLS would compute is random here, and whatever it would verify is
passed over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from blinktun.errors import RemoteError

if TYPE_CHECKING:
    from collections.abc import Callable

    from blinktun.presets.base import PresetContext

_TLS10, _TLS12 = b"\x03\x01", b"\x03\x03"
_CHANGE_CIPHER, _HANDSHAKE = 20, 22
_CLIENT_HELLO, _SERVER_HELLO, _NEW_TICKET = 1, 2, 4
_HEADER_SIZE = 5
_HELLO_START = bytes((_HANDSHAKE,)) + _TLS10
_MIN_HELLO = 200
_MAX_RECORD = 16384
_MAX_FLIGHT = 2 * _MAX_RECORD
_CHANGE_CIPHER_RECORD = bytes((_CHANGE_CIPHER,)) + _TLS12 + b"\0\x01\x01"
_FINISHED = 32

_OFFERED_CIPHERS = bytes.fromhex("c02bc02fc02cc030cc14cc13c013c014009c009d002f0035000a")
_CHOSEN_CIPHER = bytes.fromhex("c02f")
# Extensions whose content never changes, by the names of RFC 6066 and its kin.
_RENEGOTIATION_INFO = bytes.fromhex("ff01000100")
_MASTER_SECRET = bytes.fromhex("00170000")
_STATUS_REQUEST, _STATUS_ACCEPTED = bytes.fromhex("000500050100000000"), bytes.fromhex("00050000")
_SIGNATURES = bytes.fromhex("000d00140012040308040401050308050501080606010201")
_TIMESTAMPS, _CHANNEL_ID = bytes.fromhex("00120000"), bytes.fromhex("75500000")
_POINT_FORMATS, _GROUPS = bytes.fromhex("000b00020100"), bytes.fromhex("000a0006000400170018")
_LIFETIME = bytes.fromhex("000004b0")


def client_hello(name: bytes, context: PresetContext) -> bytes:
    """Write a ClientHello for this host."""
    server_name = _sized(2, b"\0" + _sized(2, name))
    extensions = b"".join(
        (
            _RENEGOTIATION_INFO,
            b"\0\0" + _sized(2, server_name),
            _MASTER_SECRET,
            b"\0\x23" + _sized(2, _draw(context.random, 200, 400)),
            *(_SIGNATURES, _STATUS_REQUEST, _TIMESTAMPS, _CHANNEL_ID, _POINT_FORMATS, _GROUPS),
        )
    )
    body = _greeting(context) + _sized(2, _OFFERED_CIPHERS) + b"\x01\0" + _sized(2, extensions)
    return _record(_HANDSHAKE, _message(_CLIENT_HELLO, body), _TLS10)


def server_flight(context: PresetContext) -> bytes:
    """Write what a server answers: hello, a new ticket, change of cipher, finished."""
    extensions = _RENEGOTIATION_INFO + _STATUS_ACCEPTED + _MASTER_SECRET
    hello = _greeting(context) + _CHOSEN_CIPHER + b"\0" + _sized(2, extensions)
    ticket = _LIFETIME + _sized(2, _draw(context.random, 200, 255))
    return b"".join(
        (
            _record(_HANDSHAKE, _message(_SERVER_HELLO, hello)),
            _record(_HANDSHAKE, _message(_NEW_TICKET, ticket)),
            _CHANGE_CIPHER_RECORD,
            _record(_HANDSHAKE, _draw(context.random, _FINISHED, 40)),
        )
    )


def client_finished(context: PresetContext) -> bytes:
    """Write the client's end of the handshake."""
    return _CHANGE_CIPHER_RECORD + _record(_HANDSHAKE, context.random(_FINISHED))


def hello_size(data: bytes) -> int | None:
    """Return the size of a ClientHello at the start of ``data``, None if more is needed.

    Raises:
        RemoteError: this is none, or none of ours.
    """
    if not data.startswith(_HELLO_START[: len(data)]):
        raise RemoteError("does not begin with a ClientHello")
    if len(data) < _HEADER_SIZE:
        return None
    size = _record_end(data, 0)
    if not _MIN_HELLO <= size <= _HEADER_SIZE + _MAX_RECORD:
        raise RemoteError(f"a ClientHello of {size} bytes is not one of ours")
    return size if len(data) >= size else None


def flight_size(data: bytes) -> int | None:
    """Return the size of a server's flight at the start of ``data``, None if more is needed.

    It ends with the record that follows the change of cipher; what the records hold is not read.

    Raises:
        RemoteError: this is no flight.
    """
    at = 0
    is_last = False
    while len(data) >= at + _HEADER_SIZE:
        kind, end = data[at], _record_end(data, at)
        if kind not in {_HANDSHAKE, _CHANGE_CIPHER} or end > _MAX_FLIGHT:
            raise RemoteError("the server's handshake is not one of ours")
        if len(data) < end:
            return None
        if is_last:
            return end
        at, is_last = end, kind == _CHANGE_CIPHER
    return None


def finished_size(data: bytes) -> int | None:
    """Return the size of the client's end of the handshake, which is not looked at."""
    size = len(_CHANGE_CIPHER_RECORD) + _HEADER_SIZE + _FINISHED
    return size if len(data) >= size else None


def _record_end(data: bytes, at: int) -> int:
    start = at + _HEADER_SIZE
    return start + int.from_bytes(data[start - 2 : start], "big")


def _greeting(context: PresetContext) -> bytes:
    """What both hellos begin with: version, time and randomness, session."""
    clock = int(context.clock()) & 0xFFFFFFFF
    head = _TLS12 + clock.to_bytes(4, "big") + context.random(28)
    return head + _sized(1, context.random(32))


def _message(kind: int, body: bytes) -> bytes:
    return bytes((kind,)) + _sized(3, body)


def _record(kind: int, content: bytes, version: bytes = _TLS12) -> bytes:
    return bytes((kind,)) + version + _sized(2, content)


def _sized(width: int, content: bytes) -> bytes:
    return len(content).to_bytes(width, "big") + content


def _draw(random: Callable[[int], bytes], least: int, most: int) -> bytes:
    """Random bytes, a random number of them."""
    return random(least + int.from_bytes(random(2), "big") % (most - least + 1))
