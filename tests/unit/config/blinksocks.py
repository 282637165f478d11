"""blinksocks' files in the form of 3.x, made of what a test changes in them."""

from __future__ import annotations

import json

import pytest

from blinktun.config import BlinksocksClient, BlinksocksServer
from blinktun.config.blinksocks import blinksocks_from_document
from blinktun.config.document import parse_document
from blinktun.errors import ConfigError

SECRET = "hunter2-hunter2"
Values = dict[str, object]


def link(**changes: object) -> Values:
    return {
        "service": "tcp://192.0.2.1:7000",
        "key": SECRET,
        "presets": [{"name": "ss-base"}, {"name": "ss-aead-cipher"}],
        **changes,
    }


def client_values(of_link: Values | None = None, **changes: object) -> Values:
    return {"service": "socks5://127.0.0.1:1080", "server": link(**(of_link or {})), **changes}


def read(values: Values) -> BlinksocksClient | BlinksocksServer:
    return blinksocks_from_document(parse_document(json.dumps(values), "b.json"))


def client(of_link: Values | None = None, **changes: object) -> BlinksocksClient:
    config = read(client_values(of_link, **changes))
    assert isinstance(config, BlinksocksClient)
    return config


def server(**changes: object) -> BlinksocksServer:
    config = read(link(**{"targets": "any", **changes}))
    assert isinstance(config, BlinksocksServer)
    return config


def refused(values: Values) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        read(values)
    assert caught.value.source == "b.json"
    assert caught.value.fix
    assert SECRET not in str(caught.value)
    assert SECRET not in repr(caught.value)
    return caught.value
