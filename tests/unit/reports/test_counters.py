from __future__ import annotations

from blinktun._core import Reactor
from blinktun.reports.counters import COLUMNS, csv_line, go_counters, own_counters, snmp_lines

HEADER_2021 = (
    "Unix,BytesSent,BytesReceived,MaxConn,ActiveOpens,PassiveOpens,CurrEstab,InErrs,InCsumErrors,"
    "KCPInErrors,InPkts,OutPkts,InSegs,OutSegs,InBytes,OutBytes,RetransSegs,FastRetransSegs,"
    "EarlyRetransSegs,LostSegs,RepeatSegs,FECParityShards,FECErrs,FECRecovered,FECShortShards"
)
HEADER_NEWEST = (
    "Unix,BytesSent,BytesReceived,MaxConn,ActiveOpens,PassiveOpens,CurrEstab,InErrs,InCsumErrors,"
    "KCPInErrors,InPkts,OutPkts,InSegs,OutSegs,InBytes,OutBytes,RetransSegs,FastRetransSegs,"
    "EarlyRetransSegs,LostSegs,RepeatSegs,FECFullShards,FECParityShards,FECErrs,FECRecovered,"
    "FECShardSet,FECShardMin,RingBufferSndQueue,RingBufferRcvQueue,RingBufferSndBuffer,OOBPackets"
)
LINE = (
    "KCP SNMP:&{BytesSent:0 BytesReceived:0 MaxConn:0 ActiveOpens:0 PassiveOpens:0 CurrEstab:0"
    " InErrs:0 InCsumErrors:0 KCPInErrors:0 InPkts:0 OutPkts:0 InSegs:0 OutSegs:0 InBytes:0"
    " OutBytes:0 RetransSegs:0 FastRetransSegs:0 EarlyRetransSegs:0 LostSegs:0 RepeatSegs:0"
    " FECFullShardSet:0 FECRecovered:0 FECErrs:0 FECParityShards:0 FECShardSet:0 FECShardMin:0"
    " RingBufferSndQueue:0 RingBufferRcvQueue:0 RingBufferSndBuffer:0 OOBPackets:0}"
)


def test_the_header_has_the_newest_places_and_every_name() -> None:
    newest, of_2021 = HEADER_NEWEST.split(","), HEADER_2021.split(",")
    assert list(COLUMNS) == [*newest, "FECShortShards"]
    assert set(of_2021) <= set(COLUMNS)
    assert list(COLUMNS[:21]) == of_2021[:21]


def test_a_line_has_a_value_for_each_column() -> None:
    counters = {"bytes_sent": 572, "fec_full_shards": 3, "fec_recovered": 2, "replays": 9}
    values = csv_line(COLUMNS, counters, 1700000000).removesuffix("\n").split(",")
    line = dict(zip(COLUMNS, values, strict=True))
    assert line["Unix"] == "1700000000"
    assert (line["BytesSent"], line["FECFullShards"], line["FECRecovered"]) == ("572", "3", "2")
    assert set(line.values()) == {"1700000000", "572", "3", "2", "0"}


def test_a_line_keeps_to_the_columns_of_another_header() -> None:
    assert csv_line(["Unix", "NoSuch", "BytesSent", "BytesSent"], {"bytes_sent": 5}, 7) == (
        "7,0,5,5\n"
    )


def test_the_line_of_the_signal_is_that_of_go() -> None:
    go, own = snmp_lines({"replays": 4, "fec_full_shards": 0, "spurious_retrans_segs": 1})
    assert go == LINE
    assert own == "blinktun SNMP:&{Replays:4 SpuriousRetransSegs:1}"


def test_the_core_counts_what_go_counts_and_every_counter_is_in_a_line() -> None:
    counters = dict.fromkeys(Reactor().stats(), 1)
    assert set(go_counters(counters).values()) == {1}
    assert len(go_counters(counters)) + len(own_counters(counters)) == len(counters)
