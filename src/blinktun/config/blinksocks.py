"""From a file to a blinksocks role (blinksocks, section 2)."""

from __future__ import annotations

import os
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

from blinktun.address import Address
from blinktun.config.acl_file import read_rules, warnings_of_rules, warnings_of_targets
from blinktun.config.blinksocks_legacy import modernize
from blinktun.config.explain import Origin, pass_over, suggestion
from blinktun.config.files import existing_file, input_path, output_path
from blinktun.config.kcp_link import kcp_link
from blinktun.config.model import (
    BlinksocksClient,
    BlinksocksServer,
    Dns,
    Inbound,
    LogSettings,
    PresetSpec,
    ServerLink,
    Targets,
    Tls,
)
from blinktun.config.options import CLIENT, SERVER
from blinktun.config.options_blinksocks import (
    CLIENT_SCHEMES,
    LINK_OPTIONS,
    OWN_PRESET_OPTIONS,
    PRESET_FILES,
    PRESET_OPTIONS,
    PRESET_PARAMS,
    PRESETS,
    REMOVED_PRESETS,
    TLS_TRANSPORTS,
    TOP_OPTIONS,
    TRANSPORTS,
)
from blinktun.config.own_presets import from_folder, is_own_preset
from blinktun.config.service_url import ServiceUrl, parse_endpoint, parse_service_url
from blinktun.config.settings import Settings
from blinktun.config.sizes import memory_of
from blinktun.config.tolerance import as_blinksocks
from blinktun.config.weaknesses import weakness_of_open_proxy, weaknesses_of_link

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from blinktun.config.document import Document

_INSIDE = {option.name for option in LINK_OPTIONS} - {option.name for option in TOP_OPTIONS}
"""Keys of the connection alone."""


def blinksocks_from_document(document: Document) -> BlinksocksClient | BlinksocksServer:
    """The role that a file describes: a client if it has ``server`` or ``servers``, else a server.

    Raises:
        ConfigError: the configuration cannot be used.
    """
    if document.rest:
        problem = f"goes on after its first value, at {document.rest}"
        raise Origin(document.source).error(problem, fix="keep one JSON object in the file")
    values, warnings = modernize(document.values, document.source)
    warnings += document.warnings
    if "server" in values:
        return _client(values, document.source, warnings)
    return _server(values, document.source, warnings)


def _client(values: Mapping[str, object], source: str, warnings: list[str]) -> BlinksocksClient:
    warnings += _pass_over_misplaced(values, source)
    top = Settings(TOP_OPTIONS, CLIENT, source=source)
    top.read({name: value for name, value in values.items() if name not in _INSIDE})
    link = Settings(LINK_OPTIONS, CLIENT, source=source, prefix="server.", taken_for=as_blinksocks)
    service = _service(top, CLIENT_SCHEMES)
    inbound = _inbound(service.scheme)
    link.read(cast("Mapping[str, object]", top.value("server")))
    server = _link(link)
    https = _own_certificate(top, "https_cert", "https_key") if service.scheme == "https" else Tls()
    credentials = service.credentials if inbound is not Inbound.TCP else None
    is_open = weakness_of_open_proxy(service.scheme, service.address, asks=credentials is not None)
    return BlinksocksClient(
        inbound=inbound,
        listen=service.address,
        written_scheme=service.scheme,
        server=server,
        forward=_forward(top, service) if inbound is Inbound.TCP else None,
        credentials=credentials,
        timeout=top.number("timeout"),
        grace=top.number("grace"),
        memory=memory_of(top),
        https=https,
        dns=_dns(top),
        log=_log(top),
        source=source,
        advice=tuple(link.advice),
        warnings=(
            *(*warnings, *top.warnings, *link.warnings, *_warnings(top, server)),
            *((is_open,) if is_open else ()),
        ),
    )


def _server(values: Mapping[str, object], source: str, warnings: list[str]) -> BlinksocksServer:
    settings = Settings((*TOP_OPTIONS, *LINK_OPTIONS), SERVER, source=source)
    settings.read(values)
    server = _link(settings)
    redirect = _redirect(settings)
    acl, skipped = read_rules(settings)
    return BlinksocksServer(
        server=server,
        timeout=settings.number("timeout"),
        grace=settings.number("grace"),
        memory=memory_of(settings),
        redirect=redirect,
        state_dir=settings.text("state_dir"),
        acl=acl,
        targets=Targets(settings.text("targets")),
        dns=_dns(settings),
        log=_log(settings),
        source=source,
        advice=tuple(settings.advice),
        warnings=(
            *(*warnings, *settings.warnings, *_warnings(settings, server), *skipped),
            *warnings_of_rules(acl, redirect, server.address),
            *(() if "targets" in values else warnings_of_targets(acl)),
        ),
    )


def _pass_over_misplaced(values: Mapping[str, object], source: str) -> list[str]:
    """A client's file has the keys of the connection inside ``server``; the original looks there.

    Raises:
        ConfigError: one is beside ``server`` and not inside.
    """
    server = values["server"]
    misplaced = [name for name in values if name in _INSIDE]
    for name in misplaced:
        if not isinstance(server, dict) or name not in server:
            fix = f"move it into server, as server.{name}"
            raise Origin(source, name).error("stands outside server in a client's file", fix=fix)
    return [f"{name} is ignored, as in the original: server.{name} counts" for name in misplaced]


def _link(link: Settings) -> ServerLink:
    service = _service(link, TRANSPORTS)
    key = link.text("key")
    if not key:
        raise link.error("key", "is empty", fix="write a long random text, the same at both ends")
    return ServerLink(
        transport=service.scheme,
        address=service.address,
        key=key,
        presets=_presets(link),
        path=service.path,
        kcp=kcp_link(link, service.params, key) if service.scheme == "kcp" else None,
        tls=_tls(link) if service.scheme in TLS_TRANSPORTS else Tls(),
        mux=link.boolean("mux"),
        mux_concurrency=int(link.number("mux_concurrency")) if link.side == CLIENT else 10,
    )


def _tls(link: Settings) -> Tls:
    """A server shows a certificate; a client trusts one alone, or the system's authorities."""
    if link.side == SERVER:
        return _own_certificate(link, "tls_cert", "tls_key")
    if not link.boolean("tls_cert_self_signed"):
        return Tls()
    return Tls(cert=existing_file(link, "tls_cert"), self_signed=True)


def _own_certificate(settings: Settings, cert: str, key: str) -> Tls:
    return Tls(cert=existing_file(settings, cert), key=existing_file(settings, key))


def _redirect(settings: Settings) -> Address | None:
    text = settings.text("redirect")
    if not text:
        return None
    try:
        return parse_endpoint(text)
    except ValueError as error:
        raise settings.error("redirect", str(error), fix="write <host>:<port>") from None


def _dns(top: Settings) -> Dns:
    servers = cast("list[object]", top.value("dns"))
    for index, server in enumerate(servers):
        if not isinstance(server, str) or Address(server, 53).ip is None:
            origin = top.origin(f"dns[{index}]", server)
            raise origin.error("is no IP address", fix='write one, for example "9.9.9.9"')
    return Dns(tuple(map(str, servers)), top.number("dns_expire"))


def _service(settings: Settings, known: Sequence[str]) -> ServiceUrl:
    text = settings.text("service")
    scheme = text.partition("://")[0].strip().lower() if "://" in text else ""
    if scheme in CLIENT_SCHEMES and scheme not in known and settings.side == SERVER:
        problem = "is for applications, and the file has no server"
        fix = "a client's file needs \"server\"; without it the file is a server's"
        raise settings.error("service", problem, fix=fix)
    if scheme and scheme not in known:
        raise settings.error("service", "has no known protocol", fix=suggestion(scheme, known))
    try:
        return parse_service_url(text)
    except ValueError as error:
        example = "socks5://127.0.0.1:1080" if known is CLIENT_SCHEMES else "tcp://example.com:7000"
        fix = f"write <protocol>://<host>:<port>, for example {example}"
        raise settings.error("service", str(error), fix=fix) from None


def _inbound(scheme: str) -> Inbound:
    if scheme.startswith("socks"):
        return Inbound.SOCKS
    return Inbound(scheme.replace("https", "http"))  # the same proxy, over TLS


def _forward(top: Settings, service: ServiceUrl) -> Address:
    """The target of a ``tcp`` service; it has no default port."""
    fix = "write tcp://<host>:<port>?forward=<host>:<port>"
    if not service.params.get("forward"):
        raise top.error("service", "has no ?forward= to say where connections go", fix=fix)
    try:
        return parse_endpoint(service.params["forward"])
    except ValueError as error:
        raise top.error("service", f"{error} (in forward)", fix=fix) from None


def _presets(link: Settings) -> tuple[PresetSpec, ...]:
    items = cast("list[object]", link.value("presets"))
    if not items:
        fix = 'write at least one, for example [{"name": "ss-base"}, {"name": "ss-aead-cipher"}]'
        raise link.error("presets", "is empty", fix=fix)
    return tuple(_preset(link, index, item) for index, item in enumerate(items))


def _preset(link: Settings, index: int, item: object) -> PresetSpec:
    where = link.origin(f"presets[{index}]")
    if not isinstance(item, dict):
        fix = 'write {"name": "ss-base"} or {"name": ..., "params": {...}}'
        raise where.error("is not an object", fix=fix)
    name = item.get("name")
    if isinstance(name, str):
        _refuse_special(link.origin(f"presets[{index}].name", name), name)
    own = isinstance(name, str) and name not in PRESETS and is_own_preset(name)
    options = OWN_PRESET_OPTIONS if own else PRESET_OPTIONS
    entry = Settings(options, link.side, source=where.source, prefix=f"{where.key}.")
    entry.read(item)
    params = entry.value("params")
    if isinstance(params, dict) and not own:
        _refuse_misspelt(link, f"{where.key}.params.", params, entry.text("name"))
    link.warnings.extend(entry.warnings)
    if isinstance(params, dict) and (option := PRESET_FILES.get(str(item.get("name")))):
        text = params.get(option)
        if isinstance(text, str) and text and "://" not in text:
            params = {**params, option: str(input_path(link, "presets", text))}
    frozen = MappingProxyType(dict(params)) if isinstance(params, dict) else MappingProxyType({})
    return PresetSpec(_own_name(entry) if own else entry.text("name"), frozen)


def _refuse_misspelt(
    link: Settings, prefix: str, params: Mapping[str, object], preset: str
) -> None:
    """The original takes the default for what was misspelt; that would hide a mistake."""
    known = PRESET_PARAMS.get(preset, ())
    source = link.origin("presets").source
    for name in params:
        if name not in known and (text := pass_over(name, known, source=source, prefix=prefix)):
            link.warnings.append(text)


def _own_name(entry: Settings) -> str:
    """The name of a preset that the user wrote; its path, if it is one, made absolute."""
    try:
        return from_folder(entry.text("name"), Path(entry.origin("name").source).parent)
    except ValueError as error:
        fix = "write the path of a .py file; docs/guide/own-presets.md shows one"
        raise entry.error("name", str(error), fix=fix) from None


def _refuse_special(origin: Origin, name: str) -> None:
    """Names that deserve a better answer than "unknown"."""
    if name == "mux":
        raise origin.error("is not for configurations", fix="remove it")
    if name in REMOVED_PRESETS:
        problem = f"was dropped by blinksocks {REMOVED_PRESETS[name]}"
        raise origin.error(problem, fix="use ss-base and ss-aead-cipher at both ends")


def _log(top: Settings) -> LogSettings:
    path = output_path(top, "log_path")
    if path is not None and os.path.isdir(path):  # noqa: PTH112 - is_dir() raises for no name
        raise top.error("log_path", "is a directory", fix="add a file name, for example bs.log")
    days = top.value("log_max_days")
    return LogSettings(
        path=path,
        level=top.text("log_level"),
        max_days=int(days) if isinstance(days, int | float) else None,
    )


def _warnings(top: Settings, server: ServerLink) -> list[str]:
    warnings = []
    if top.number("timeout") < 60:
        warnings.append(f"timeout is short: idle connections close after {top.value('timeout')} s")
    if top.number("dns_expire") > 86400:
        warnings.append(f"dns_expire is long: {top.value('dns_expire')} s is more than a day")
    return [*warnings, *weaknesses_of_link(server)]
