"""Nobody can hide a message inside another one: what we send is read by others as we mean it.

Streams that try to be read in two ways are made from seeds. By hand, a long run::

    python -m tests.properties.test_http_smuggling 100000 [first seed]
"""

from __future__ import annotations

import sys
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.properties.http_naive import QUIRKS, Naive
from tests.properties.http_passed import pass_back, pass_on
from tests.properties.http_readers import (
    RefusedError,
    h11_requests,
    h11_response,
    python_requests,
    python_response,
)
from tests.properties.http_streams import Streams

seeds = st.integers(0, 2**32)
REQUESTS = [
    b"%b http://h/ HTTP/1.%d\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n" % (method, minor)
    for method in (b"GET", b"HEAD")
    for minor in (0, 1)
]


@settings(max_examples=400)
@given(seeds)
def test_origins_read_the_requests_that_we_meant(seed: int) -> None:
    check_requests(seed)


@settings(max_examples=400)
@given(seeds)
def test_applications_read_the_response_that_we_meant(seed: int) -> None:
    check_response(seed)


def check_requests(seed: int) -> int:
    """Check a stream of requests; returns how many were passed on."""
    streams = Streams(Random(seed))
    stream = streams.requests()
    passed = pass_on(streams.cut(stream))
    count = 0
    for meant, (whole, broken) in zip(passed.meant, passed.sent, strict=True):
        # A request that broke off must not look whole.
        assert h11_requests(whole + broken) == meant, (seed, stream, whole, broken)
        assert python_requests(whole) == meant, (seed, stream, whole)
        count += len(meant)
    # Of the application's own bytes, nobody reads other requests than we do.
    try:
        strict = h11_requests(stream)
    except RefusedError as error:
        strict = error.before
    others = {quirk: Naive(stream, quirk).read() for quirk in QUIRKS}
    others["h11"] = [(*message.first, message.body) for message in strict]
    for name, read in others.items():
        for ours, (method, *theirs) in zip(passed.read, read, strict=False):
            known = upper if (upper := method.upper()) in {b"GET", b"HEAD"} else method
            assert ours == (known, *theirs), (name, seed, stream)
    return count


def check_response(seed: int) -> int:
    """Check a response; returns whether it was passed on."""
    random = Random(seed)
    streams = Streams(random)
    request, stream = random.choice(REQUESTS), streams.response()
    method = request.split(b" ")[0]
    answered = pass_back(streams.cut(stream), request)
    if answered.switched or (answered.broken and answered.endless):
        return 0  # it is no response, or the application sees a reset, which these readers cannot
    if answered.coded:
        # Not every reader knows such codings, so nothing may follow.
        assert answered.broken or b"\r\nConnection: close\r\n" in answered.got, (seed, stream)
        return 0
    for read in (h11_response, python_response):
        try:
            found = read(answered.got, method)
        except RefusedError:
            # Half a message may be malformed; Python dislikes an end without an answer.
            assert answered.meant is None, (seed, stream, answered)
        else:
            assert found == answered.meant, (seed, stream, answered)
    return answered.meant is not None


def _main() -> None:
    count, first = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0
    requests = responses = 0
    for seed in range(first, first + count):
        requests += check_requests(seed)
        responses += check_response(seed)
    print(f"{count} streams each way: {requests} requests and {responses} responses passed on")


if __name__ == "__main__":
    _main()
