"""What is measured, and what ours must reach.

Ciphers, presets and transports come from the product's own tables: a new one is measured as soon as
it exists.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import bulk, memory, proxy, requests, scale, startup
from benchmarks.model import Case, Figure, Point, Target
from benchmarks.setups import AEAD, BULK
from blinktun.config.options_blinksocks import PRESETS
from blinktun.config.options_kcptun import CRYPTS
from blinktun.crypto.aead import AEAD_METHODS
from blinktun.crypto.stream import STREAM_METHODS
from blinktun.transports.registry import TRANSPORTS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from tests.interop.harness.boxes import Presets

    from benchmarks.model import Plan, Readings, Side

    Measure = Callable[[int, Plan, Side, Path], Awaitable[Readings]]

KCPTUN: tuple[Side, ...] = ("ours", "go")
PROXIES: tuple[Side, ...] = ("ours", "node", "libev")


def all_cases(plan: Plan) -> list[Case]:
    """Every case, in the order of the page."""
    # Thousands of ended connections make the kernel's tables long: starts are timed before.
    kcptun = (_startup, _limits, _bulk, _picture, _requests, _short, _memory)
    blinksocks = (_proxy, _transports, _proxied_requests)
    curves = (_streams, _sessions, _windows)
    return [case for make in (*kcptun, *blinksocks, *curves) for case in make(plan)]


def beside_before(case: Case) -> Case:
    """The same case for our two builds, without targets."""
    figures = tuple(replace(figure, target=None) for figure in case.figures)
    return replace(case, sides=("ours", "before"), figures=figures)


# --- what the machine can do ----------------------------------------------------------------


def _limits(plan: Plan) -> Iterator[Case]:
    kind = "limits"
    figures = (Figure("download", "MB/s"),)
    about = "source to sink, no tunnel between them"
    yield Case(kind, "limits/loopback", about, ("direct",), figures, partial(bulk.direct, plan))
    for name, keep_alive in (("keep-alive", True), ("connection each", False)):
        measure = partial(requests.direct, 50, plan, keep_alive=keep_alive)
        about = f"wrk to nginx, 50 connections, {name}, no tunnel between them"
        yield Case(kind, f"limits/{name}", about, ("direct",), _REQUEST_FIGURES, measure)


# --- kcptun ---------------------------------------------------------------------------------


def _bulk(plan: Plan) -> Iterator[Case]:
    for crypt, (data, parity) in product(CRYPTS, ((0, 0), (10, 3))):
        options = BULK | {"crypt": crypt, "datashard": data, "parityshard": parity}
        # The Go program of 2021 would silently run aes instead.
        sides: tuple[Side, ...] = ("ours",) if crypt in {"null", "aes-128-gcm"} else KCPTUN
        target = _BULK_TARGETS.get((crypt, parity))
        yield Case(
            "bulk",
            f"bulk/{crypt}/{data}+{parity}",
            f"crypt {crypt}, FEC {data}+{parity}, fast3, windows 4096, no compression",
            sides,
            _bulk_figures("go", target, cpu=4),
            partial(bulk.kcptun, options, plan if target else _brief(plan)),
            rounds=99 if target else 2,
        )


_BULK_TARGETS = {("none", 0): 5.0, ("none", 3): 5.0, ("aes", 3): 4.0}
"""How many times as fast as the Go program, by crypt and parity shards."""


def _picture(plan: Plan) -> Iterator[Case]:
    figures = _bulk_figures("originals", 20.0, cpu=4)
    for name, about, measure in (
        ("all four", "the four example files, through SOCKS5", bulk.picture),
        ("kcptun", "the example files of kcptun alone", bulk.picture_tunnel),
    ):
        sides: tuple[Side, ...] = ("ours", "originals")
        yield Case("picture", f"picture/{name}", about, sides, figures, partial(measure, plan))

    yield Case(
        "picture",
        "picture/one process a side",
        "the four example files, the two of a side in one process",
        ("ours", "four"),
        (
            Figure("download", "MB/s", target=Target("four", 1.0)),
            Figure("upload", "MB/s", target=Target("four", 1.0)),
            Figure("CPU", "s/GB", "less", Target("four", 1.0)),
            Figure("peak memory", "MB", "less", Target("four", 1.0)),
        ),
        partial(bulk.one_process_a_side, plan),
    )


def _requests(plan: Plan) -> Iterator[Case]:
    for (way, keep_alive), count in product(
        (("keep-alive", True), ("connection each", False)), (1, 50, 500)
    ):
        factor = 1.5 if keep_alive and count == 1 else 3.0
        latency = Target("go", 1.0) if keep_alive and count == 1 else None
        yield Case(
            "requests",
            f"requests/{way}/{count}",
            f"{count} at once, {way}, answers of 512 bytes; aes, FEC 10+3, fast3, windows 1024",
            KCPTUN,
            _request_figures(Target("go", factor), latency),
            partial(requests.requests, count, plan, keep_alive=keep_alive),
        )


def _short(plan: Plan) -> Iterator[Case]:
    figures = (
        Figure("connections", "a second", target=Target(limit=2_700)),
        Figure("descriptors left", "", "less", Target(limit=0)),
        Figure("memory left", "% of before", "less", Target(limit=10)),
    )
    yield Case(
        "short connections",
        "short connections",
        f"{plan.connections:,} connections of one request, 50 at once, and what both programs"
        " hold afterwards",
        KCPTUN,
        figures,
        partial(requests.short_connections, plan),
        rounds=1,
    )


# --- memory and start -----------------------------------------------------------------------


def _memory(plan: Plan) -> Iterator[Case]:
    figures = (
        *(
            Figure(f"{role} {way}", "MB", "less", Target(limit=40) if way == "RSS" else None)
            for role, way in product(("client", "server"), ("RSS", "PSS"))
        ),
        Figure("client, a connection", "KB", "less", Target(limit=8)),
        Figure("server, a connection", "KB", "less", Target(limit=8)),
        Figure("CPU while idle", "ms/s", "less"),
    )
    about = f"after one connection, and what each of {plan.connections // 20:,} idle ones adds"
    yield Case(
        "memory", "memory/kcptun", f"kcptun roles {about}", KCPTUN, figures,
        partial(memory.kcptun, plan), rounds=1,
    )  # fmt: skip
    yield Case(
        "memory", "memory/blinksocks", f"blinksocks roles {about}", PROXIES, figures,
        partial(memory.blinksocks, AEAD, plan), rounds=1,
    )  # fmt: skip


def _startup(_: Plan) -> Iterator[Case]:
    figures = (Figure("time", "ms", "less"),)
    for name, sides, make in (
        ("kcptun client", KCPTUN, startup.near_kcptun),
        ("kcptun server", KCPTUN, startup.far_kcptun),
        ("blinksocks client", PROXIES, partial(startup.near_blinksocks, AEAD)),
        ("blinksocks server", PROXIES, partial(startup.far_blinksocks, AEAD)),
    ):
        about = f"{name}, from its start until its port is open"
        yield Case(
            "start-up", f"start-up/{name}", about, sides, figures, partial(startup.measure, make)
        )


# --- blinksocks -----------------------------------------------------------------------------


def _proxy(plan: Plan) -> Iterator[Case]:
    for name, chain in _chains():
        # shadowsocks has these presets and no others.
        is_shadowsocks = [preset["name"] for preset in chain] in [["ss-base", c] for c in _CIPHERS]
        sides = PROXIES if is_shadowsocks else PROXIES[:2]
        headline = name in _HEADLINES
        yield Case(
            "proxy",
            f"proxy/{name}",
            " + ".join(_described(preset) for preset in chain),
            sides,
            _bulk_figures("node", 2.0 if headline else 1.0, cpu=None),
            partial(proxy.bulk, chain, "tcp", plan if headline else _brief(plan)),
            rounds=99 if headline else 2,
        )


_CIPHERS = {"ss-stream-cipher": STREAM_METHODS, "ss-aead-cipher": AEAD_METHODS}
_HEADLINES = ("ss-stream-cipher/aes-128-ctr", "ss-aead-cipher/aes-256-gcm")


def _chains() -> Iterator[tuple[str, Presets]]:
    """A chain for every preset that Node has too, and for every method of the ciphers."""
    for preset in PRESETS:
        if methods := _CIPHERS.get(preset):
            for method in methods:
                yield f"{preset}/{method}", [{"name": "ss-base"}, _cipher(preset, method)]
        else:
            yield preset, _CHAINS.get(preset, [{"name": "ss-base"}, {"name": preset}])


def _cipher(preset: str, method: str) -> dict[str, object]:
    return {"name": preset, "params": {"method": method}}


_CHAINS: dict[str, Presets] = {
    "ss-base": [{"name": "ss-base"}],
    "base-auth": [
        {"name": "base-auth", "params": {"method": "sha1"}},
        _cipher("ss-stream-cipher", "aes-128-ctr"),
    ],
    "aead-random-cipher": [{"name": "ss-base"}, _cipher("aead-random-cipher", "aes-256-gcm")],
    **{
        name: [{"name": "ss-base"}, {"name": name}, _cipher("ss-stream-cipher", method)]
        for name, method in (
            ("ssr-auth-aes128-md5", "aes-128-ctr"),
            ("ssr-auth-aes128-sha1", "aes-128-ctr"),
            ("ssr-auth-chain-a", "none"),
            ("ssr-auth-chain-b", "none"),
            ("obfs-random-padding", "aes-128-ctr"),
        )
    },
    "v2ray-vmess": [
        {
            "name": "v2ray-vmess",
            "params": {"id": "c2485913-4e9e-41eb-8cc5-b2e7db8d3bc7", "security": "aes-128-gcm"},
        }
    ],
    "obfs-http": [
        {"name": "ss-base"},
        {"name": "obfs-http", "params": {"file": str(Path(__file__).with_name("obfs-http.txt"))}},
    ],
    "obfs-tls1.2-ticket": [
        {"name": "ss-base"},
        {"name": "obfs-tls1.2-ticket", "params": {"sni": ["example.com"]}},
    ],
}
"""Presets that need parameters or other presets beside them."""


def _described(preset: dict[str, object]) -> str:
    params = preset.get("params")
    method = params.get("method") if isinstance(params, dict) else None
    return f"{preset['name']} {method}" if method else str(preset["name"])


def _transports(plan: Plan) -> Iterator[Case]:
    for transport in TRANSPORTS:
        if transport != "tcp":
            # Node's 3.3.0 has neither KCP inside nor HTTP/2.
            sides: tuple[Side, ...] = ("ours",) if transport in {"kcp", "h2"} else PROXIES[:2]
            about = f"over {transport}, ss-base + ss-aead-cipher aes-256-gcm"
            figures = _bulk_figures("node", 1.0, cpu=None)
            measure = partial(proxy.bulk, AEAD, transport, plan)
            yield Case("proxy", f"proxy/over {transport}", about, sides, figures, measure)


def _proxied_requests(plan: Plan) -> Iterator[Case]:
    for count in (1, 50):
        yield Case(
            "proxied requests",
            f"proxied requests/{count}",
            f"{count} at once, a connection each; {_described(AEAD[1])}",
            PROXIES[:2],
            (*_REQUEST_FIGURES, Figure("CPU", "ms a request", "less")),
            partial(requests.proxied, AEAD, count, plan),
        )


# --- scale ----------------------------------------------------------------------------------


def _streams(plan: Plan) -> Iterator[Case]:
    counts = _up_to(plan.scale, (1, 10, 100, 1_000, 10_000))
    idle = "idle streams in one session, and one that is busy"
    yield from _curve("idle streams", idle, "streams", counts, scale.idle_streams, plan)
    busy = "streams in one session, all of them busy"
    yield from _curve("active streams", busy, "streams", counts, scale.active_streams, plan)


def _sessions(plan: Plan) -> Iterator[Case]:
    counts = _up_to(plan.scale // 5, (1, 10, 100, 500, 1_000, 2_000))
    idle = "idle clients of one server (only the server counts), and one that is busy"
    yield from _curve("idle sessions", idle, "sessions", counts, scale.idle_sessions, plan)
    busy = "clients of one server (only the server counts), all of them busy"
    yield from _curve("active sessions", busy, "sessions", counts, scale.active_sessions, plan)


def _windows(plan: Plan) -> Iterator[Case]:
    sizes = _up_to(8 * plan.scale, (32, 128, 512, 2_048, 8_192, 32_768))
    about = "segments in both windows of both ends, one stream"
    yield from _curve("window", about, "segments", sizes, scale.window, plan)


def _curve(
    name: str, about: str, axis: str, xs: Sequence[int], measure: Measure, plan: Plan
) -> Iterator[Case]:
    figures = _IDLE_FIGURES if name.startswith("idle") else _ACTIVE_FIGURES
    for x in xs:
        yield Case(
            "scale",
            f"scale/{name}/{x}",
            f"{x:,} {about}",
            KCPTUN,
            figures,
            partial(measure, x, plan),
            rounds=1,
            point=Point(name, axis, x),
        )


def _up_to(most: int, values: Sequence[int]) -> list[int]:
    return [value for value in values if value <= most]


def _brief(plan: Plan) -> Plan:
    """Half the window, for the many cases that nobody asks about first."""
    return replace(plan, window=plan.window / 2)


# --- figures --------------------------------------------------------------------------------

_ACTIVE_FIGURES = (Figure("bulk", "MB/s"), Figure("memory", "MB", "less"))
_IDLE_FIGURES = (
    Figure("bulk beside them", "MB/s"),
    Figure("memory", "MB", "less"),
    Figure("CPU while idle", "ms/s", "less"),
)


def _bulk_figures(peer: Side, factor: float | None, *, cpu: float | None) -> tuple[Figure, ...]:
    speed = Target(peer, factor) if factor else None
    return (
        Figure("download", "MB/s", target=speed),
        Figure("upload", "MB/s", target=speed),
        Figure("CPU", "s/GB", "less", Target(peer, cpu) if cpu else None),
        Figure("peak memory", "MB", "less"),
    )


def _request_figures(rate: Target | None, latency: Target | None) -> tuple[Figure, ...]:
    return (
        Figure("requests", "a second", target=rate),
        Figure("median", "ms", "less", latency),
        Figure("99 %", "ms", "less"),
    )


_REQUEST_FIGURES = _request_figures(None, None)
