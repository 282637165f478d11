"""What is passed on in which form, and what is refused: one table for requests, one for responses.

The left of each row is what a program sends; the right is what its peer gets, or the status.
"""

from __future__ import annotations

import pytest

from blinktun.effects import ConnectTo, Reply
from blinktun.proxies.http import HttpProxy
from blinktun.proxies.http_exchange import Exchange, Origin
from blinktun.proxies.http_head import HttpError

GET = b"GET http://h/ HTTP/1.1\r\nHost: h\r\n"
POST = b"POST http://h/ HTTP/1.1\r\nHost: h\r\n"
PLAIN = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
ONE_BY_ONE = b"1\r\nh\r\n1\r\ne\r\n1\r\nl\r\n1\r\nl\r\n1\r\no\r\n"
CHUNKS = b"5\r\nhello\r\n0\r\n\r\n"
TE = b"Transfer-Encoding: chunked\r\n"
AS_CHUNKS = b"POST / HTTP/1.1\r\nHost: h\r\n" + TE + b"\r\n" + CHUNKS
AS_LENGTH = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"


def _get(fields: bytes) -> bytes:
    return GET + fields + b"\r\n"


def _got(fields: bytes) -> bytes:
    return b"GET / HTTP/1.1\r\nHost: h\r\n" + fields + b"\r\n"


def _line(line: bytes) -> bytes:
    return line + b"\r\nHost: h\r\n\r\n"


REQUESTS: list[tuple[str, bytes, bytes | int]] = [
    # --- the first line ---
    ("no Host: the URL says it", b"GET http://h/ HTTP/1.1\r\n\r\n", PLAIN),
    ("another Host", b"GET http://h/ HTTP/1.1\r\nHost: other\r\n\r\n", PLAIN),
    ("two equal Hosts", GET + b"host: H\r\n\r\n", PLAIN),
    ("two Hosts", GET + b"Host: b\r\n\r\n", 400),
    ("UTF-8", _line("GET http://h/测 HTTP/1.1".encode()), _line(b"GET /%E6%B5%8B HTTP/1.1")),
    ("Latin-1", _line(b"GET http://h/?q=\xe9 HTTP/1.1"), _line(b"GET /?q=%E9 HTTP/1.1")),
    ("a fragment", _line(b"GET http://h/a#b HTTP/1.1"), _line(b"GET /a HTTP/1.1")),
    ("a user", _line(b"GET http://u:p@h/ HTTP/1.1"), PLAIN),
    ("no path", _line(b"GET http://h?x HTTP/1.1"), _line(b"GET /?x HTTP/1.1")),
    ("ws", _line(b"GET ws://h/chat HTTP/1.1"), _line(b"GET /chat HTTP/1.1")),
    ("https", _line(b"GET https://h/ HTTP/1.1"), 400),
    ("ftp", _line(b"GET ftp://h/ HTTP/1.1"), 400),
    ("a path alone", _line(b"GET / HTTP/1.1"), 400),
    ("OPTIONS *", _line(b"OPTIONS * HTTP/1.1"), 400),
    ("OPTIONS of a server", _line(b"OPTIONS http://h HTTP/1.1"), _line(b"OPTIONS * HTTP/1.1")),
    ("a port out of range", _line(b"GET http://h:65536/ HTTP/1.1"), 400),
    ("a zone", _line(b"GET http://[fe80::1%25lo]/ HTTP/1.1"), 400),
    ("small letters", _line(b"get http://h/ HTTP/1.1"), PLAIN),
    ("PROPFIND", _line(b"PROPFIND http://h/ HTTP/1.1"), _line(b"PROPFIND / HTTP/1.1")),
    ("patch", _line(b"patch http://h/ HTTP/1.1"), _line(b"patch / HTTP/1.1")),
    ("an odd method", _line(b"M-S_1.0! http://h/ HTTP/1.1"), _line(b"M-S_1.0! / HTTP/1.1")),
    ("no method", _line(b"G@T http://h/ HTTP/1.1"), 400),
    ("PRI", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    ("HTTP/0.9", b"GET http://h/\r\n\r\n", 400),
    ("HTTP/1.2", _line(b"GET http://h/ HTTP/1.2"), PLAIN),
    ("HTTP/1.10", _line(b"GET http://h/ HTTP/1.10"), 400),
    ("small http", _line(b"GET http://h/ http/1.1"), 400),
    ("spaces between", _line(b"GET  http://h/  HTTP/1.1 "), PLAIN),
    ("a space in the URL", _line(b"GET http://h/a b HTTP/1.1"), 400),
    ("tabs", _line(b"GET\thttp://h/\tHTTP/1.1"), 400),
    ("empty lines before", b"\r\n\n\r\n" + _get(b""), PLAIN),
    ("a space before", b" " + _get(b""), 400),
    # --- fields ---
    ("LF alone", b"GET http://h/ HTTP/1.1\nA: b\n\n", _got(b"A: b\r\n")),
    ("CR alone", _get(b"A: b\rC: d\r\n"), 400),
    ("CR CR LF", _get(b"A: b\r\r\n"), 400),
    ("NUL", _get(b"A: b\x00c\r\n"), 400),
    ("a control character", _get(b"A: \x0bb\x1bc\x7f\r\n"), _got(b"A: b c\r\n")),
    ("a control character in a name", _get(b"A\x0b: b\r\n"), 400),
    ("a control character in a length", _get(b"Content-Length: 0\x0b\r\n"), 400),
    ("a control character in a coding", _get(b"Transfer-Encoding: \x1fchunked\r\n"), 400),
    ("a control character in the URL", _line(b"GET http://h/\x1f HTTP/1.1"), 400),
    ("DEL in the URL", _line(b"GET http://h/\x7f HTTP/1.1"), 400),
    ("a tab inside", _get(b"A: \tb\tc \t\r\n"), _got(b"A: b\tc\r\n")),
    ("no space behind the colon", _get(b"A:b\r\n"), _got(b"A: b\r\n")),
    ("no value", _get(b"A:\r\n"), _got(b"A: \r\n")),
    ("UTF-8 in a value", _get("A: ü\r\n".encode()), _got("A: ü\r\n".encode())),
    ("Latin-1 in a value", _get(b"A: \xfc\r\n"), _got(b"A: \xfc\r\n")),
    ("odd names", _get(b"X_a.b~!#$%&'*+^`|: c\r\n"), _got(b"X_a.b~!#$%&'*+^`|: c\r\n")),
    ("a name that is none", _get(b"A@b[c]: d\r\n"), _got(b"")),
    ("a name in UTF-8", _get("Ä: d\r\n".encode()), _got(b"")),
    ("a name like a framing one", _get(b"Content-Length\xa0: 5\r\n"), 400),
    ("a space before the colon", _get(b"A : b\r\n"), 400),
    ("a space in a name", _get(b"A b: c\r\n"), 400),
    ("no name", _get(b": b\r\n"), 400),
    ("no colon", _get(b"A\r\n"), 400),
    ("a folded line", _get(b"A: b\r\n\t c\r\n  d\r\n"), _got(b"A: b c d\r\n")),
    ("a folded length", _get(b"Content-Length:\r\n 0\r\n"), 400),
    ("a fold under the first line", b"GET http://h/ HTTP/1.1\r\n A: b\r\n\r\n", 400),
    ("hop by hop", _get(b"Connection: A, keep-alive\r\nA: b\r\nKeep-Alive: 5\r\n"), PLAIN),
    ("Proxy-Connection", _get(b"Proxy-Connection: keep-alive\r\n"), PLAIN),
    ("Connection: host", _get(b"Connection: host, content-length\r\nContent-Length: 0\r\n"),
     _got(b"Content-Length: 0\r\n")),
    ("Expect", _get(b"Expect: 100-continue\r\n"), _got(b"Expect: 100-continue\r\n")),
    ("16,000 headers", _get(b"A:\r\n" * 16_000), _got(b"A: \r\n" * 16_000)),
    ("a head too long", _get(b"A: " + b"x" * 65_536 + b"\r\n"), 431),
    # --- lengths ---
    ("a length", POST + b"Content-Length: 5\r\n\r\nhello", AS_LENGTH),
    ("equal lengths", POST + b"Content-Length: 5\r\ncontent-length: 5\r\n\r\nhello", AS_LENGTH),
    ("a list of equal lengths", POST + b"Content-Length: 5, 05\r\n\r\nhello", AS_LENGTH),
    ("differing lengths", POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400),
    ("a list of lengths", POST + b"Content-Length: 5, 6\r\n\r\nhello", 400),
    *((f"length {odd!r}", POST + b"Content-Length: " + odd + b"\r\n\r\nhello", 400) for odd in (
        b"", b"+5", b"-5", b"0x5", b"5 5", b"5,", b"5;", b"5.0", b"1" * 19, b"\xef\xbc\x95",
        b"five")),
    ("a body of nothing", POST + b"\r\n", b"POST / HTTP/1.1\r\nHost: h\r\n\r\n"),
    # --- codings ---
    ("chunks", POST + TE + b"\r\n" + CHUNKS, AS_CHUNKS),
    ("Chunked", POST + b"transfer-ENCODING:  , Chunked,\t\r\n\r\n" + CHUNKS, AS_CHUNKS),
    ("chunks and a length", POST + TE + b"Content-Length: 5\r\n\r\n" + CHUNKS, 400),
    ("identity and a length",
     POST + b"Transfer-Encoding: identity\r\nContent-Length: 5\r\n\r\nhello", AS_LENGTH),
    ("identity", GET + b"Transfer-Encoding: Identity\r\n\r\n", PLAIN),
    ("identity and chunks", POST + b"Transfer-Encoding: identity, chunked\r\n\r\n" + CHUNKS, 400),
    ("no coding", POST + b"Transfer-Encoding:\r\n\r\n" + CHUNKS, 400),
    *((f"coding {odd!r}", POST + b"Transfer-Encoding: " + odd + b"\r\n\r\n", 501) for odd in (
        b"gzip, chunked", b"chunked, gzip", b"xchunked", b"chunked;q=1", b'"chunked"',
        b"chunked, chunked", b"chunked identity")),
    ("chunks in HTTP/1.0", b"POST http://h/ HTTP/1.0\r\n" + TE + b"\r\n" + CHUNKS, 400),
    # --- chunks ---
    ("many chunks", POST + TE + b"\r\n2\r\nhe\r\n003\r\nllo\r\n000\r\n\r\n", AS_CHUNKS),
    ("an extension", POST + TE + b'\r\n5;a="b\xfc"\r\nhello\r\n0;c\r\n\r\n', AS_CHUNKS),
    ("spaces behind a size", POST + TE + b"\r\n5 \t\r\nhello\r\n0 \r\n\r\n", AS_CHUNKS),
    ("zeros before a size", POST + TE + b"\r\n" + b"0" * 20 + CHUNKS, AS_CHUNKS),
    ("chunks with LF alone", POST + TE + b"\r\n5\nhello\n0\n\n", AS_CHUNKS),
    ("an extension before LF alone", POST + TE + b"\r\n5;\nhello\r\n0\r\n\r\n", 400),
    ("CR behind a chunk", POST + TE + b"\r\n5\r\nhello\r0\r\n\r\n", 400),
    ("a chunk too long", POST + TE + b"\r\n4\r\nhello\r\n0\r\n\r\n", 400),
    *((f"size {odd!r}", POST + TE + b"\r\n" + odd + b"\r\nhello\r\n0\r\n\r\n", 400) for odd in (
        b"", b" 5", b"+5", b"-5", b"0x5", b"5h", b"5 5", b"1" * 16, b"5;\x00", b"5;\r")),
    ("a long extension", POST + TE + b"\r\n5;" + b"x" * 5000 + b"\r\nhello\r\n0\r\n\r\n", 400),
    ("trailers", POST + TE + b"\r\n" + CHUNKS[:-2] + b"A: b\r\nContent-Length: 9\r\n\r\n",
     AS_CHUNKS[:-2] + b"A: b\r\n\r\n"),
    ("trailers too long", POST + TE + b"\r\n0\r\n" + b"A: b\r\n" * 11_000 + b"\r\n", 400),
    # --- CONNECT ---
    ("CONNECT", b"CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n", b"h:443"),
    ("CONNECT without a Host", b"CONNECT h:443 HTTP/1.1\r\n\r\n", b"h:443"),
    ("CONNECT in HTTP/1.0", b"CONNECT h:443 HTTP/1.0\r\n\r\n", b"h:443"),
    ("connect", b"connect h:443 HTTP/1.1\r\n\r\n", b"h:443"),
    ("CONNECT of length 0", b"CONNECT h:443 HTTP/1.1\r\nContent-Length: 0\r\n\r\n", b"h:443"),
    ("CONNECT with a body", b"CONNECT h:443 HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", 400),
    ("CONNECT in chunks", b"CONNECT h:443 HTTP/1.1\r\n" + TE + b"\r\n" + CHUNKS, 400),
    ("CONNECT to a URL", b"CONNECT http://h:443/ HTTP/1.1\r\n\r\n", 400),
    ("CONNECT to a user", b"CONNECT u:p@h:443 HTTP/1.1\r\n\r\n", 400),
]  # fmt: skip


@pytest.mark.parametrize(
    ("sent", "expected"), [row[1:] for row in REQUESTS], ids=[row[0] for row in REQUESTS]
)
@pytest.mark.parametrize("size", [1, 100_000])
def test_requests(sent: bytes, expected: bytes | int, size: int) -> None:
    pieces = [sent[at : at + size] for at in range(0, len(sent), size)]
    assert _pass_on(pieces) == expected


def _pass_on(pieces: list[bytes]) -> bytes | int:
    """Return what the origin gets, or the target of CONNECT, or the status of a refusal."""
    proxy = HttpProxy()
    while pieces:
        match proxy.receive(pieces.pop(0)):
            case [Exchange() as exchange]:
                break
            case [Reply(data), *_]:
                return int(bytes(data)[9:12])
            case [ConnectTo(target)]:
                return str(target).encode()
    try:
        sent = bytes(exchange.begin(Origin()))
        for piece in pieces:
            sent += exchange.upload(piece)
    except HttpError as error:
        return int(error.status)
    assert exchange.asked
    return _joined(sent)


def _ok(fields: bytes, body: bytes = b"") -> bytes:
    return b"HTTP/1.1 200 OK\r\n" + fields + b"\r\n" + body


RESPONSE = _ok(b"Content-Length: 5\r\n", b"hello")
IN_CHUNKS = _ok(TE, CHUNKS)
TO_THE_END = _ok(TE, b"5\r\nhello\r\n0\r\n\r\n")
EMPTY = b"Content-Length: 0\r\n"

RESPONSES: list[tuple[str, bytes, bytes | int]] = [
    # --- the first line ---
    ("no reason", b"HTTP/1.1 200\r\n" + EMPTY + b"\r\n", b"HTTP/1.1 200 \r\n" + EMPTY + b"\r\n"),
    ("Latin-1", b"HTTP/1.1 200 \xe9\r\n" + EMPTY + b"\r\n",
     b"HTTP/1.1 200 \xe9\r\n" + EMPTY + b"\r\n"),
    ("a control character", b"HTTP/1.1 200 a\x1bb\r\n" + EMPTY + b"\r\n",
     b"HTTP/1.1 200 a b\r\n" + EMPTY + b"\r\n"),
    ("HTTP/1.2", b"HTTP/1.2 200 OK\r\n" + EMPTY + b"\r\n", _ok(EMPTY)),
    ("small http", b"http/1.1  200 OK\r\n" + EMPTY + b"\r\n", _ok(EMPTY)),
    ("ICY", b"ICY 200 OK\r\nicy-br: 1\r\n\r\nhello", _ok(b"icy-br: 1\r\n" + TE, CHUNKS)),
    ("an odd status", b"HTTP/1.1 999 x\r\n" + EMPTY + b"\r\n",
     b"HTTP/1.1 999 x\r\n" + EMPTY + b"\r\n"),
    ("an empty line before", b"\r\n" + _ok(EMPTY), _ok(EMPTY)),
    *((f"{odd!r}", odd + b"\r\n" + EMPTY + b"\r\n", 502) for odd in (
        b"HTTP/0.9 200 OK", b"HTTP/2 200", b"HTTP/1.1 20 OK", b"HTTP/1.1 099 x", b"HTTP/1.1 2000",
        b"HTTP/1.1 200OK", b"<html>", b"220 ready", b"HTTP/1.1\x00 200 OK", b"HTTP/1.1 200 O\rK")),
    # --- fields ---
    ("LF alone", RESPONSE.replace(b"\r", b""), RESPONSE),
    ("a folded line", _ok(b"A: b\r\n c\r\n" + EMPTY), _ok(b"A: b c\r\n" + EMPTY)),
    ("a space before the colon", _ok(b"A : b\r\nContent-Length\t: 0\r\n"),
     _ok(b"A: b\r\n" + EMPTY)),
    ("no colon", _ok(b"nonsense\r\n" + EMPTY), _ok(EMPTY)),
    ("no name", _ok(b": a\r\n" + EMPTY), _ok(EMPTY)),
    ("a name that is none", _ok(b"A b(c): d\r\n" + EMPTY), _ok(EMPTY)),
    ("bytes in a value", _ok(b"A: \xe4\xff\r\n" + EMPTY), _ok(b"A: \xe4\xff\r\n" + EMPTY)),
    ("control characters in a value", _ok(b"A: b\x01\x7fc\r\n" + EMPTY),
     _ok(b"A: b  c\r\n" + EMPTY)),
    ("CR alone", _ok(b"A: b\rSet-Cookie: c\r\n" + EMPTY), 502),
    ("NUL", _ok(b"A: b\x00\r\n" + EMPTY), 502),
    ("hop by hop", _ok(b"Connection: A\r\nA: b\r\nKeep-Alive: 5\r\n" + EMPTY), _ok(EMPTY)),
    ("a head too long", _ok(b"A: " + b"x" * 65_536 + b"\r\n"), 502),
    # --- lengths ---
    ("equal lengths", _ok(b"Content-Length: 5\r\nContent-Length: 05, 5\r\n", b"hello"), RESPONSE),
    ("differing lengths", _ok(b"Content-Length: 5\r\nContent-Length: 6\r\n", b"hello"), 502),
    *((f"length {odd!r}", _ok(b"Content-Length: " + odd + b"\r\n", b"hello"), 502) for odd in (
        b"", b"+5", b"-5", b"0x5", b"5 5", b"1" * 19)),
    ("no length", _ok(b"", b"hello"), TO_THE_END),
    ("204", b"HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n", b"HTTP/1.1 204 No\r\n\r\n"),
    ("204 in chunks", b"HTTP/1.1 204 No\r\n" + TE + b"\r\n", b"HTTP/1.1 204 No\r\n\r\n"),
    ("304", b"HTTP/1.1 304 No\r\nContent-Length: 5\r\n\r\n",
     b"HTTP/1.1 304 No\r\nContent-Length: 5\r\n\r\n"),
    ("304 with a body", b"HTTP/1.1 304 No\r\n\r\nhello", b"HTTP/1.1 304 No\r\n\r\n"),
    ("100 first", b"HTTP/1.1 100 Continue\r\n\r\n" + RESPONSE,
     b"HTTP/1.1 100 Continue\r\n\r\n" + RESPONSE),
    ("101 unasked", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", 502),
    # --- codings ---
    ("chunks", IN_CHUNKS, IN_CHUNKS),
    ("Chunked", _ok(b"transfer-encoding: ,CHUNKED\r\n", CHUNKS), IN_CHUNKS),
    ("chunks twice", _ok(TE + TE, CHUNKS), IN_CHUNKS),
    ("chunks and a length", _ok(TE + b"Content-Length: 5\r\n", CHUNKS), IN_CHUNKS),
    ("chunks in HTTP/1.0", IN_CHUNKS.replace(b"1.1", b"1.0"), IN_CHUNKS),
    ("identity and a length",
     _ok(b"Transfer-Encoding: identity\r\nContent-Length: 5\r\n", b"hello"), RESPONSE),
    ("identity", _ok(b"Transfer-Encoding: identity\r\n", b"hello"), TO_THE_END),
    ("gzip in chunks", _ok(b"Transfer-Encoding: gzip, chunked\r\n", CHUNKS),
     _ok(b"Transfer-Encoding: gzip, chunked\r\nConnection: close\r\n", CHUNKS)),
    ("gzip to the end", _ok(b"Transfer-Encoding: gzip\r\n", b"hello"),
     _ok(b"Transfer-Encoding: gzip, chunked\r\nConnection: close\r\n", CHUNKS)),
    ("chunks inside gzip", _ok(b"Transfer-Encoding: chunked, gzip\r\n", b"hello"), 502),
    ("chunks with a parameter", _ok(b"Transfer-Encoding: chunked;x=y\r\n", CHUNKS), 502),
    # --- chunks ---
    ("chunks with LF alone", IN_CHUNKS.replace(b"\r", b""), IN_CHUNKS),
    ("an extension before LF alone", _ok(TE, b"5;a\nhello\n0\n\n"), IN_CHUNKS),
    ("spaces behind a size", _ok(TE, b"5  \r\nhello\r\n0\r\n\r\n"), IN_CHUNKS),
    ("trailers", _ok(TE, CHUNKS[:-2] + b"A: b\r\n\r\n"), IN_CHUNKS[:-2] + b"A: b\r\n\r\n"),
    *((f"size {odd!r}", _ok(TE, odd + b"\r\nhello\r\n0\r\n\r\n"), 502) for odd in (
        b"", b"+5", b"0x5", b"5h", b"1" * 16)),
    ("half a body", _ok(b"Content-Length: 5\r\n", b"hell"), 502),
    ("half a chunk", _ok(TE, b"5\r\nhell"), 502),
    ("no last chunk", _ok(TE, b"5\r\nhello\r\n"), 502),
]  # fmt: skip


@pytest.mark.parametrize(
    ("sent", "expected"), [row[1:] for row in RESPONSES], ids=[row[0] for row in RESPONSES]
)
def test_responses(sent: bytes, expected: bytes | int) -> None:
    assert _pass_back([sent]) == expected
    assert _pass_back([sent[at : at + 1] for at in range(len(sent))]) == expected


def _pass_back(pieces: list[bytes]) -> bytes | int:
    """Return what the application gets, or the status of the failure."""
    (exchange,) = HttpProxy().receive(_get(b""))
    assert isinstance(exchange, Exchange)
    exchange.begin(Origin())
    got = b""
    try:
        for piece in (*pieces, b""):
            if not exchange.answered:
                got += exchange.download(piece)
    except HttpError as error:
        return int(error.status)
    return _joined(got)


def _joined(message: bytes) -> bytes:
    """Join the chunks of what came byte by byte."""
    return message.replace(ONE_BY_ONE, b"5\r\nhello\r\n")


@pytest.mark.parametrize(
    ("response", "reusable"),
    [
        (RESPONSE, True),
        (IN_CHUNKS, True),
        (b"HTTP/1.1 204 No\r\n\r\n", True),
        (RESPONSE + b"x", False),
        (b"HTTP/1.1 304 No\r\n\r\nhello", False),
        (RESPONSE.replace(b"1.1", b"1.0"), False),
        (IN_CHUNKS.replace(b"1.1", b"1.0"), False),
        (_ok(TE + b"Content-Length: 5\r\n", CHUNKS), False),
        (_ok(b"Connection: close\r\n" + EMPTY), False),
    ],
)
def test_nothing_follows_on_a_connection_whose_response_is_in_doubt(
    response: bytes, reusable: bool
) -> None:
    (exchange,) = HttpProxy().receive(_get(b""))
    assert isinstance(exchange, Exchange)
    origin = Origin()
    exchange.begin(origin)
    exchange.download(response)
    assert exchange.answered
    assert origin.reusable is reusable
    assert exchange.lasts
