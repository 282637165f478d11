from __future__ import annotations

import gc
import logging
from typing import TYPE_CHECKING

import pytest

from blinktun.errors import TransportError
from blinktun.kcp.firewall import Fence, Rule, run_tool

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class Tables:
    """What iptables and ip6tables would do: a runner, and the rules that stand."""

    def __init__(self, *, refusal: str = "") -> None:
        self.standing: list[list[str]] = []
        self.asked: list[str] = []
        self.refusal = refusal

    def __call__(self, words: Sequence[str]) -> tuple[int, str]:
        tool, wait, seconds, command, *rule = words
        assert (wait, seconds) == ("-w", "1")
        self.asked.append(command)
        entry = [tool, *rule]
        if self.refusal:
            return 4, f"\n{self.refusal}\nand a hint\n"
        match command:
            case "-I":
                self.standing.insert(0, entry)
            case "-C" | "-D":
                if entry not in self.standing:
                    return 1, "Bad rule"
                if command == "-D":
                    self.standing.remove(entry)
        return 0, ""


def test_the_words_are_the_wires() -> None:
    assert " ".join(Rule(4, 29900).words) == (
        "OUTPUT -m ttl --ttl-eq 1 -p tcp --sport 29900 -j DROP"
    )
    rule = Rule(6, 40000, "2001:db8::1", ("2001:db8::2", 29900))
    assert rule.tool == "ip6tables"
    assert " ".join(rule.words) == (
        "OUTPUT -m hl --hl-eq 1 -p tcp -s 2001:db8::1 --sport 40000"
        " -d 2001:db8::2 --dport 29900 -j DROP"
    )


def test_a_fence_stands_until_it_is_lifted() -> None:
    tables = Tables()
    fence, other = Fence(Rule(4, 1), tables), Fence(Rule(4, 2), tables)
    assert len(tables.standing) == 2
    fence.lift()
    fence.lift()
    assert tables.standing == [["iptables", *Rule(4, 2).words]]
    assert tables.asked.count("-D") == 1
    other.lift()
    assert tables.standing == []


def test_a_rule_left_behind_is_taken_over() -> None:
    tables = Tables()
    tables.standing.append(["iptables", *Rule(4, 1).words])
    fence = Fence(Rule(4, 1), tables)
    assert len(tables.standing) == 1
    fence.lift()
    assert tables.standing == []


def test_a_forgotten_fence_is_lifted() -> None:
    tables = Tables()
    fence = Fence(Rule(4, 1), tables)
    del fence
    gc.collect()
    assert tables.standing == []


def test_a_refusal_names_the_tool_its_words_and_the_right() -> None:
    tables = Tables(refusal="Permission denied (you must be root)")
    with pytest.raises(TransportError) as caught:
        Fence(Rule(6, 1), tables)
    text = str(caught.value)
    assert "ip6tables: Permission denied (you must be root);" in text
    assert "CAP_NET_ADMIN" in text


def test_a_rule_that_stays_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    tables = Tables()
    fence = Fence(Rule(4, 7), tables)
    tables.refusal = "busy"
    with caplog.at_level(logging.ERROR):
        fence.lift()
    assert "a firewall rule stays: iptables -D OUTPUT" in caplog.text
    assert "busy" in caplog.text


def test_a_missing_tool_is_named() -> None:
    with pytest.raises(TransportError, match="there is no ip9tables here: install iptables"):
        run_tool(["ip9tables"])


def test_a_tool_is_run_without_a_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "tool"
    tool.write_text('#!/bin/sh\nprintf "%s|" "$@"\necho wrong >&2\nexit 3\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert run_tool(["tool", "$HOME; ls", "*"]) == (3, "$HOME; ls|*|wrong\n")
