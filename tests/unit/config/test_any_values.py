"""Whatever stands in a file: a role, or an error that is one printable line."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from blinktun.config.blinksocks import blinksocks_from_document
from blinktun.config.document import parse_document
from blinktun.config.kcptun import kcptun_from_document
from blinktun.config.options_blinksocks import LINK_OPTIONS, TOP_OPTIONS
from blinktun.config.options_kcptun import KCPTUN_OPTIONS
from blinktun.errors import ConfigError

OLD_KEYS = ("servers", "host", "port", "transport", "dstaddr", "workers", "enabled", "name")
URLS = ("tcp://h:1", "socks5://h:1", "tcp://h:1?forward=t:2", "ws://h", "ss-base", "tunnel", "h")
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
NAMES = [option.name for option in (*TOP_OPTIONS, *LINK_OPTIONS)] + [*OLD_KEYS, "params"]
BLINKSOCKS = st.recursive(
    SCALARS | st.sampled_from(URLS),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), inner, max_size=6)
    ),
    max_leaves=20,
)


def is_error_line(error: ConfigError) -> bool:
    return str(error).isprintable() and bool(error.fix) and error.source == "x"


@settings(max_examples=400)
@given(st.dictionaries(st.sampled_from(NAMES), BLINKSOCKS, max_size=8))
def test_blinksocks(values: dict[str, object]) -> None:
    if not _is_json(values):
        return
    try:
        config = blinksocks_from_document(parse_document(json.dumps(values), "x"))
    except ConfigError as error:
        assert is_error_line(error)  # noqa: PT017 - the other outcome is as good
    else:
        assert config.server.key


KEYS = [option.json_key for option in KCPTUN_OPTIONS if option.json_key]
SIDES = (None, "client", "server")
VALUES = SCALARS | st.sampled_from([":1", "h:2", "none", "fast2", 1, 255, 1000])


@settings(max_examples=400)
@given(
    st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=8), st.sampled_from([None, "client"])
)
def test_kcptun(values: dict[str, object], side: str | None) -> None:
    if not _is_json(values):
        return
    try:
        config = kcptun_from_document(parse_document(json.dumps(values), "x"), side, {})
    except ConfigError as error:
        assert is_error_line(error)  # noqa: PT017 - the other outcome is as good
    else:
        assert config.kcp.mtu >= 50


def _is_json(values: object) -> bool:
    """Whether JSON can carry it: Python would write Infinity."""
    try:
        json.dumps(values, allow_nan=False)
    except ValueError:
        return False
    return True
