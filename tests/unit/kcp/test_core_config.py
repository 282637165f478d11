from __future__ import annotations

import json
import re
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from tests.unit.kcp.support import ANY_PORT, SETTINGS, echo, read_all

from blinktun import _core, kcp
from blinktun.config.model import KcpSettings
from blinktun.config.options import by_key
from blinktun.config.options_kcptun import CRYPTS, KCPTUN_OPTIONS
from blinktun.errors import ConfigError
from blinktun.kcp.core_config import TRACE_VARIABLE, core_config


@pytest.mark.parametrize("crypt", CRYPTS)
def test_the_core_has_every_cipher_that_the_options_offer(crypt: str) -> None:
    assert isinstance(core_config(KcpSettings(crypt=crypt)), _core.Config)


def test_the_options_offer_every_cipher_of_the_core() -> None:
    declared = (Path(__file__).parents[3] / "rust/blinktun-proto/src/crypt/mod.rs").read_text()
    names = re.findall(r'^    [A-Z]\w+, "([\w-]+)", ', declared, re.MULTILINE)
    assert sorted(names) == sorted(CRYPTS)


class Recording:
    """Settings that note which of them were read."""

    def __init__(self, settings: KcpSettings) -> None:
        self._settings = settings
        self.read: dict[str, object] = {}

    def __getattr__(self, name: str) -> object:
        return self.read.setdefault(name, getattr(self._settings, name))


def test_every_setting_reaches_the_core(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, object] = {}
    real = _core.Config

    def config(
        settings: KcpSettings, pass_: bytes, pads: _core.Pads | None, trace: Path | None
    ) -> _core.Config:
        recording = Recording(settings)
        made = real(recording, pass_, pads, trace)
        given.update(recording.read, pass_=pass_, pads=pads)
        return made

    monkeypatch.setattr(_core, "Config", config)
    core_config(KcpSettings(key="k", nodelay=1, nc=0, keepalive=7))
    # tcp chooses the call; the key goes in derived, and as pads if QPP is wanted.
    elsewhere = {"key", "tcp", "qpp", "qpp_count", "qpp_revision"}
    # These follow from what is written.
    elsewhere |= {"mode", "smuxbuf", "streambuf", "up", "down", "max_overhead"}
    names = {field.name for field in fields(KcpSettings)} - elsewhere
    names |= {"is_auto", "searches_mtu", "session_buffer", "stream_buffer", "up_rate", "down_rate"}
    names |= {"overhead_share"}
    names |= {"pass_", "pads"}
    assert set(given) == names
    assert given["pads"] is None
    assert given["pass_"] == _core.derive_key(b"k")
    assert (given["nodelay"], given["nc"], given["keepalive"]) == (True, False, 7.0)


@pytest.mark.parametrize("crypt", CRYPTS)
@pytest.mark.parametrize("datashard", [0, 10])
def test_the_core_takes_the_least_mtu_and_no_smaller_one(crypt: str, datashard: int) -> None:
    settings = KcpSettings(crypt=crypt, mode="manual", datashard=datashard)
    least = _core.least_mtu(crypt, datashard > 0)
    core_config(replace(settings, mtu=least))
    config = replace(settings, mtu=least - 1)
    with pytest.raises(ValueError, match="mtu"):
        _core.Config(config, bytes(32), None)
    with pytest.raises(ConfigError, match="mtu"):
        core_config(config)


@pytest.mark.parametrize("crypt", CRYPTS)
@pytest.mark.parametrize(("max_overhead", "has_parity"), [("5%", True), ("0", False)])
def test_auto_needs_room_for_parity_unless_it_sends_none(
    crypt: str, max_overhead: str, has_parity: bool
) -> None:
    least = _core.least_mtu(crypt, has_parity)
    core_config(KcpSettings(crypt=crypt, mtu=least, max_overhead=max_overhead))
    with pytest.raises(ConfigError, match="mtu"):
        core_config(KcpSettings(crypt=crypt, mtu=least - 1, max_overhead=max_overhead))


def test_the_defaults_of_both_sides_of_the_border_agree() -> None:
    assert KcpSettings().mtu == _core.DEFAULT_MTU
    assert by_key(KCPTUN_OPTIONS)["mtu"].high == _core.MAX_MTU


def test_pads_are_made_once_from_the_key_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[bytes, int, str]] = []
    real = _core.Pads

    def pads(key: bytes, count: int, revision: str) -> _core.Pads:
        made.append((key, count, revision))
        return real(key, count, revision)

    monkeypatch.setattr(_core, "Pads", pads)
    settings = KcpSettings(key="grün", qpp=True, qpp_count=7, qpp_revision="A")
    core_config(settings)
    core_config(replace(settings, mtu=1200))
    assert made == [("grün".encode(), 7, "A")]
    core_config(replace(settings, qpp_revision="M"))
    core_config(replace(settings, qpp=False, key="other"))
    assert made[1:] == [("grün".encode(), 7, "M")]


@pytest.mark.parametrize(
    ("change", "name"), [({"qpp_count": 0}, "qpp_count"), ({"qpp_revision": "C"}, "qpp_revision")]
)
def test_pads_that_cannot_be_are_a_configuration_error(change: dict[str, Any], name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        core_config(replace(KcpSettings(key="k", qpp=True), **change))


def test_what_the_core_refuses_is_a_configuration_error() -> None:
    with pytest.raises(ConfigError, match="mtu"):
        core_config(replace(KcpSettings(), mtu=1501))


async def test_sessions_write_traces_where_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TRACE_VARIABLE, str(tmp_path / "traces"))
    async with (
        await kcp.serve(echo, ANY_PORT, SETTINGS) as server,
        await kcp.connect(server.address, SETTINGS) as session,
        session.open_stream() as stream,
    ):
        await stream.write(b"a secret of the application")
        stream.finish()
        await read_all(stream)
    files = sorted((tmp_path / "traces").iterdir())
    assert [file.name.partition("-")[0] for file in files] == ["client", "server"]
    for file in files:
        assert file.stat().st_mode & 0o077 == 0
        text = file.read_text()
        assert "secret" not in text
        head, *records = [json.loads(record) for record in text.split("\x1e")[1:]]
        assert head["trace"]["vantage_point"]["type"] == file.name.partition("-")[0]
        names = {record["name"] for record in records}
        assert names >= {
            "transport:packet_sent",
            "transport:packet_received",
            "recovery:packets_acked",
            "recovery:metrics_updated",
        }


def test_a_folder_that_cannot_be_made_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(TRACE_VARIABLE, str(tmp_path / "file" / "traces"))
    with pytest.raises(ConfigError) as raised:
        core_config(SETTINGS)
    assert str(raised.value) == (
        f"QLOGDIR = {tmp_path}/file/traces: no file can be made there (Not a directory); "
        "name a folder that this user may write, or remove the variable"
    )


def test_the_mtu_is_searched_if_all_is_and_none_is_given() -> None:
    assert KcpSettings().searches_mtu
    assert not KcpSettings(mtu=1400).searches_mtu
    assert not KcpSettings(sndwnd=1024).searches_mtu
    assert not KcpSettings(mode="manual").searches_mtu
