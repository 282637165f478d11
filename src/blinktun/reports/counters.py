"""The core's counters in Go's names and Go's two forms: a line of CSV, and the line of SIGUSR1."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "BytesSent": "bytes_sent",
        "BytesReceived": "bytes_received",
        "MaxConn": "max_conn",
        "ActiveOpens": "active_opens",
        "PassiveOpens": "passive_opens",
        "CurrEstab": "curr_estab",
        "InErrs": "in_errs",
        "InCsumErrors": "in_csum_errors",
        "KCPInErrors": "kcp_in_errors",
        "InPkts": "in_pkts",
        "OutPkts": "out_pkts",
        "InSegs": "in_segs",
        "OutSegs": "out_segs",
        "InBytes": "in_bytes",
        "OutBytes": "out_bytes",
        "RetransSegs": "retrans_segs",
        "FastRetransSegs": "fast_retrans_segs",
        "EarlyRetransSegs": "early_retrans_segs",
        "LostSegs": "lost_segs",
        "RepeatSegs": "repeat_segs",
        "FECFullShardSet": "fec_full_shards",
        "FECRecovered": "fec_recovered",
        "FECErrs": "fec_errs",
        "FECParityShards": "fec_parity_shards",
        "FECShardSet": "fec_shard_set",
        "FECShardMin": "fec_shard_min",
        "RingBufferSndQueue": "ring_buffer_snd_queue",
        "RingBufferRcvQueue": "ring_buffer_rcv_queue",
        "RingBufferSndBuffer": "ring_buffer_snd_buffer",
        "OOBPackets": "oob_packets",
    }
)
"""Go's counters and the core's, in the order in which Go declares them (kcptun wire, 9.1)."""

_FIRST, _FEC = tuple(_NAMES)[:20], ("FECFullShards", "FECParityShards", "FECErrs", "FECRecovered")
_COLUMN_NAMES = MappingProxyType({**_NAMES, "FECFullShards": _NAMES["FECFullShardSet"]})

COLUMNS = ("Unix", *_FIRST, *_FEC, *tuple(_NAMES)[24:], "FECShortShards")
"""The header of a new file: the newest Go's, and behind it the one column that only Go's of 2021
has, so that every name is there and every place of the newest header is kept (kcptun wire, 9.2).
Its value is always 0: what it counts does not happen here."""


def csv_line(columns: Sequence[str], counters: Mapping[str, int], now: int) -> str:
    """The values of ``columns`` with commas between and a line feed behind.

    Args:
        columns: A header; of what no counter has the name the value is 0.
        counters: The core's counters by their names there.
        now: Seconds since 1970, the value of ``Unix``.
    """
    values = {"Unix": now}
    for column in columns:
        values.setdefault(column, counters.get(_COLUMN_NAMES.get(column, ""), 0))
    return ",".join(str(values[column]) for column in columns) + "\n"


def go_counters(counters: Mapping[str, int]) -> dict[str, int]:
    """Go's counters by their names and in their order there."""
    return {name: counters.get(ours, 0) for name, ours in _NAMES.items()}


def own_counters(counters: Mapping[str, int]) -> dict[str, int]:
    """What Go does not count, by names of the same make."""
    known = set(_NAMES.values())
    return {_go_name(name): value for name, value in counters.items() if name not in known}


def snmp_lines(counters: Mapping[str, int]) -> tuple[str, str]:
    """What SIGUSR1 logs: Go's line, and one of the same shape with what only we count."""
    go, own = go_counters(counters), own_counters(counters)
    return f"KCP SNMP:{_structure(go)}", f"blinktun SNMP:{_structure(own)}"


def _structure(values: Mapping[str, int]) -> str:
    """As Go's ``%+v`` prints a pointer to a structure."""
    return "&{" + " ".join(f"{name}:{value}" for name, value in values.items()) + "}"


def _go_name(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))
