"""What blinksocks 2.x wrote, put into the words of 3.x (blinksocks, section 13)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from blinktun.config.explain import Origin, shown
from blinktun.config.host_name import is_host_name

if TYPE_CHECKING:
    from collections.abc import Mapping

_IGNORED_KEYS = ("workers",)
_IGNORED_PRESETS = ("stats", "tracker")


def modernize(values: Mapping[str, object], source: str) -> tuple[dict[str, object], list[str]]:
    """The same configuration in the form of 3.x, and warnings about what was left out.

    A configuration in that form comes back as it is.

    Raises:
        ConfigError: an old form has a value that cannot be put into the new one.
    """
    reader = _Reader(dict(values), source)
    reader.ignore_keys()
    reader.take_first_server()
    reader.join_services()
    reader.move_presets()
    reader.name_log_file()
    return reader.values, reader.warnings


class _Reader:
    """One pass over one configuration."""

    def __init__(self, values: dict[str, object], source: str) -> None:
        self.values = values
        self.warnings: list[str] = []
        self._source = source
        self._is_old = False

    def ignore_keys(self) -> None:
        for key in _IGNORED_KEYS:
            if key in self.values:
                del self.values[key]
                self._ignored(key)
        if self.values.get("server", "") is None:
            del self.values["server"]

    def take_first_server(self) -> None:
        """``servers``: the first that is enabled becomes ``server``."""
        if "servers" not in self.values:
            return
        self._is_old = True
        servers = self.values.pop("servers")
        origin = Origin(self._source, "servers", shown(servers, secret=True))
        if not isinstance(servers, list):
            raise origin.error("is not a list", fix='write "server": {...} instead')
        enabled = [item for item in servers if isinstance(item, dict) and item.get("enabled")]
        if not enabled:
            raise origin.error("has no enabled item", fix='add "enabled": true to one')
        if "server" in self.values:
            self.warnings.append("server is ignored, as in the original: servers stands beside it")
        self.values["server"] = {key: v for key, v in enabled[0].items() if key != "enabled"}
        self.warnings.append(
            'servers is an old form: only its first enabled item is used, as "server"'
        )

    def join_services(self) -> None:
        """``host``, ``port``, ``transport`` and ``dstaddr`` become URLs."""
        server = self.values.get("server")
        if not isinstance(server, dict):
            self._join(self.values, "", default_scheme="tcp")
            return
        self.values["server"] = server = dict(server)
        self._join(server, "server.", default_scheme="tcp")
        forward = self._pop_endpoint(self.values, "", "dstaddr")
        # 2.5 and 2.6 spoke SOCKS and HTTP on that port, 2.7 and 2.8 SOCKS alone.
        self._join(self.values, "", default_scheme="tcp" if forward else "auto")
        self._add_forward(forward)

    def move_presets(self) -> None:
        """Presets that have become settings leave the list."""
        server = self.values.get("server")
        link, prefix = (server, "server.") if isinstance(server, dict) else (self.values, "")
        presets = link.get("presets")
        if isinstance(presets, list):
            kept = [
                preset
                for index, preset in enumerate(presets)
                if self._keeps(preset, f"{prefix}presets[{index}]", is_client=bool(prefix))
            ]
            link["presets"] = kept

    def name_log_file(self) -> None:
        path = self.values.get("log_path")
        here = os.path.join(os.path.dirname(self._source), str(path))  # noqa: PTH118, PTH120
        if self._is_old and isinstance(path, str) and os.path.isdir(here):  # noqa: PTH112
            name = "bs-client.log" if "server" in self.values else "bs-server.log"
            self.values["log_path"] = str(Path(path) / name)

    def _join(self, values: dict[str, object], prefix: str, *, default_scheme: str) -> None:
        if "host" not in values and "port" not in values and "transport" not in values:
            return
        self._is_old = True
        host = self._pop_host(values, prefix)
        port = self._pop_port(values, prefix)
        transport = values.pop("transport", default_scheme)
        if not isinstance(transport, str):
            origin = Origin(self._source, f"{prefix}transport", shown(transport))
            raise origin.error("is not a string", fix='write "tcp"')
        scheme = "ws" if transport == "websocket" else transport
        values.setdefault("service", f"{scheme}://{host}:{port}")

    def _pop_endpoint(self, values: dict[str, object], prefix: str, key: str) -> str:
        """An object of host and port as ``host:port``; empty if it is not there."""
        if key not in values:
            return ""
        self._is_old = True
        parts = values.pop(key)
        if not isinstance(parts, dict):
            origin = Origin(self._source, f"{prefix}{key}", shown(parts))
            raise origin.error("is not an object", fix='write {"host": ..., "port": ...}')
        parts = dict(parts)
        inner = f"{prefix}{key}."
        return f"{self._pop_host(parts, inner)}:{self._pop_port(parts, inner)}"

    def _add_forward(self, forward: str) -> None:
        service = self.values.get("service")
        if not forward or not isinstance(service, str):
            return
        if service.startswith("tcp://") and "?" not in service:
            self.values["service"] = f"{service}?forward={forward}"
        elif not service.startswith("tcp://"):
            self._ignored("dstaddr")

    def _keeps(self, preset: object, where: str, *, is_client: bool) -> bool:
        """Whether a preset stays in the list; if not, what it asked for has been done."""
        name = preset.get("name") if isinstance(preset, dict) else None
        if not isinstance(preset, dict) or not isinstance(name, str):
            return True
        if name == "access-control":
            self._control_access(preset.get("params"), where, is_client=is_client)
            return False
        if name in {"proxy", "tunnel"} and is_client and preset.get("params"):
            self._tunnel_to(self._pop_endpoint(dict(preset), f"{where}.", "params"))
            return False
        if name in _IGNORED_PRESETS or (name == "proxy" and not preset.get("params")):
            self._ignored(f"{where} ({name})")
            return False
        return True

    def _control_access(self, params: object, where: str, *, is_client: bool) -> None:
        """The preset of 2.x becomes ``acl`` and ``acl_conf``."""
        self._is_old = True
        if is_client:
            self._ignored(f"{where} (access-control)")
            return
        rules = params.get("acl") if isinstance(params, dict) else None
        if not isinstance(rules, str) or not rules:
            origin = Origin(
                self._source, f"{where}.params.acl", "" if rules is None else shown(rules)
            )
            raise origin.error(
                "is no file of rules", fix='write "acl": true and "acl_conf" instead'
            )
        self.values.setdefault("acl", True)
        self.values.setdefault("acl_conf", rules)
        if isinstance(params, dict) and "max_tries" in params:
            self._ignored(f"{where}.params.max_tries")

    def _tunnel_to(self, forward: str) -> None:
        service = self.values.get("service")
        if isinstance(service, str):
            self.values["service"] = f"tcp://{service.partition('://')[2]}"
        self._add_forward(forward)

    def _pop_host(self, values: dict[str, object], prefix: str) -> str:
        host = values.pop("host", None)
        origin = Origin(self._source, f"{prefix}host", "" if host is None else shown(host))
        if isinstance(host, str) and ":" in host:
            return f"[{host.strip('[]')}]"
        if not isinstance(host, str) or not is_host_name(host):
            raise origin.error("is no host", fix="write a name or an IP address")
        return host

    def _pop_port(self, values: dict[str, object], prefix: str) -> int:
        port = values.pop("port", None)
        origin = Origin(self._source, f"{prefix}port", "" if port is None else shown(port))
        if isinstance(port, bool) or not isinstance(port, int) or not 1 <= port <= 65535:
            raise origin.error("is no port", fix="write an integer 1..65535")
        return port

    def _ignored(self, what: str) -> None:
        self.warnings.append(f"{what} has had no meaning since blinksocks 3 and is ignored")
