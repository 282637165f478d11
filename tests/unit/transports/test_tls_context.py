from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest

from blinktun.config.model import Tls
from blinktun.errors import ConfigError
from blinktun.testing.certificates import self_signed
from blinktun.transports.tls_context import client_context, reason, server_context

if TYPE_CHECKING:
    from pathlib import Path


def test_a_pinned_certificate_is_the_only_root(tmp_path: Path) -> None:
    context = client_context(self_signed(tmp_path, "localhost"))
    assert context.cert_store_stats()["x509"] == 1
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED


def test_without_one_the_system_decides(tmp_path: Path) -> None:
    made = self_signed(tmp_path, "localhost")
    system = client_context(Tls()).cert_store_stats()
    assert client_context(Tls(made.cert)).cert_store_stats() == system
    assert client_context(Tls()).check_hostname


def test_a_certificate_and_the_key_of_another(tmp_path: Path) -> None:
    one, other = self_signed(tmp_path, stem="one"), self_signed(tmp_path, stem="other")
    server_context(one)
    with pytest.raises(ConfigError, match=r"tls_key = .*other_key.pem: is not the key of tls_cert"):
        server_context(Tls(one.cert, other.key))


def test_the_message_names_the_setting_and_its_file(tmp_path: Path) -> None:
    made = self_signed(tmp_path)
    missing = tmp_path / "missing.pem"
    with pytest.raises(ConfigError, match=r"https_cert = .*missing.pem: .*no such file"):
        server_context(Tls(missing, made.key), keys="https")
    with pytest.raises(ConfigError, match=r"^https_key: is missing"):
        server_context(Tls(made.cert), keys="https")
    with pytest.raises(ConfigError, match=r"^tls_cert: is missing"):
        server_context(Tls())
    with pytest.raises(ConfigError, match=r"server.tls_cert = .*missing.pem"):
        client_context(Tls(missing, self_signed=True))


def test_reasons_are_short() -> None:
    assert reason(FileNotFoundError(2, "No such file or directory")) == "no such file or directory"
    assert reason(ValueError()) == "valueerror"
    with pytest.raises(ssl.SSLError) as caught:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata="none")
    assert reason(caught.value)
