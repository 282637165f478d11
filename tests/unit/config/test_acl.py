"""Rules as they are written, and which of them counts."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import pytest

from blinktun.address import Address
from blinktun.config.acl import End, Matcher, Rule, parse_rules


def _text_of(text: str, host: str, port: int = 80) -> str | None:
    rules, problems = parse_rules(text)
    assert problems == []
    rule = Matcher(rules).find(Address(host, port))
    return rule.text if rule else None


@pytest.mark.parametrize(
    ("line", "ban", "upload", "download"),
    [
        ("a", False, None, None),
        ("a 0", False, None, None),
        ("a 1", True, None, None),
        ("a 0 120K", False, 120 << 10, None),
        ("a 0 - 120kb", False, None, 120 << 10),
        ("a 1 1b 2MB", True, 1, 2 << 20),
        ("a 0 3m 4g", False, 3 << 20, 4 << 30),
        ("  a \t 0   1Gb  -   # why", False, 1 << 30, None),
        ("a 1#x", True, None, None),
        ("a 1 - - more", True, None, None),
    ],
)
def test_the_fields_of_a_line(
    line: str, ban: bool, upload: int | None, download: int | None
) -> None:
    (rule,), problems = parse_rules(line)
    assert (rule.host, rule.port, rule.ban, rule.upload, rule.download) == (
        *("a", None, ban),
        *(upload, download),
    )
    assert rule.text == line.partition("#")[0].strip()
    assert problems == []


@pytest.mark.parametrize(
    ("pattern", "fits", "fits_not"),
    [
        ("*", ["a:1", "1.2.3.4:5", "[::1]:9"], []),
        ("*:*", ["a:1", "[::1]:9"], []),
        ("*:25", ["a:25", "1.2.3.4:25"], ["a:26"]),
        ("example.com", ["example.com:1", "Example.COM:2", "example.com.:3"], ["a.example.com:1"]),
        ("Example.com:443", ["example.com:443"], ["example.com:80"]),
        ("10.1.2.3", ["10.1.2.3:1", "10.66051:1", "[::ffff:10.1.2.3]:1"], ["10.1.2.4:1", "a:1"]),
        ("10.1.2.3:65535", ["10.1.2.3:65535"], ["10.1.2.3:1"]),
        ("10.1.0.0/16", ["10.1.2.3:1", "0x0a.1.1:1"], ["10.2.0.0:1", "10.1.name:1"]),
        ("10.1.2.3/16:80", ["10.1.9.9:80"], ["10.1.9.9:81"]),
        ("0.0.0.0/0", ["1.2.3.4:1"], ["[::1]:1", "a:1"]),
        ("127.1", ["127.0.0.1:1"], ["127.1.0.0:1"]),
        ("::1", ["[::1]:5", "[0:0:0:0:0:0:0:1]:5"], ["[::2]:5"]),
        ("[::1]:80", ["[::1]:80"], ["[::1]:81"]),
        ("2001:db8::/32", ["[2001:db8:1::2]:1"], ["[2001:db9::]:1", "1.2.3.4:1"]),
        ("[2001:db8::/32]:80", ["[2001:db8::9]:80"], ["[2001:db8::9]:8"]),
        ("::/0", ["[fe80::1]:1"], ["1.2.3.4:1"]),
        ("fe80::1", ["[fe80::1%eth0]:1"], ["[fe80::2%eth0]:1"]),
    ],
)
def test_whom_a_rule_is_about(pattern: str, fits: list[str], fits_not: list[str]) -> None:
    rules, problems = parse_rules(f"{pattern} 1")
    assert problems == []
    matcher = Matcher(rules)
    for text in fits:
        assert matcher.find(Address.parse(text)) == rules[0], text
    for text in fits_not:
        assert matcher.find(Address.parse(text)) is None, text


def test_later_lines_win() -> None:
    text = "*:* 1\n10.0.0.0/8\n10.1.0.0/16:80 1\n10.1.2.3 0 1k\nhost 0\n*:9 1 5k"
    assert _text_of(text, "other") == "*:* 1"
    assert _text_of(text, "10.9.9.9") == "10.0.0.0/8"
    assert _text_of(text, "10.1.9.9") == "10.1.0.0/16:80 1"
    assert _text_of(text, "10.1.9.9", 81) == "10.0.0.0/8"
    assert _text_of(text, "10.1.2.3") == "10.1.2.3 0 1k"
    assert _text_of(text, "host") == "host 0"
    assert _text_of(text, "host", 9) == "*:9 1 5k"


def test_no_rule() -> None:
    assert Matcher(()).find(Address("a", 1)) is None
    assert parse_rules("\n# nothing\n   \n") == ((), [])


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("a 2", "second field"),
        ("a 10k", "second field"),
        ("a 1 0k", "speed"),
        ("a 1 10", "speed"),
        ("a 1 -1k", "speed"),
        ("a 1 1k 1t", "speed"),
        ("a:0", "port"),
        ("a:65536", "port"),
        ("a:", "port"),
        ("a:-", "port"),
        ("[::1]:", "port"),
        ("_a", "host"),
        ("a b.c", "second field"),
        ("10.0.0.0/33", "host"),
        ("10.0.0.0/", "host"),
        ("10.0.0.0/255.0.0.0", "host"),
        ("name/8", "host"),
        ("*/8", "host"),
        ("::1/129", "host"),
        ("a:b:80", "host"),
        ("[a", "does not begin"),
        (":80", "does not begin"),
        ("a 1 " + "#" * 300, "longer than 300"),
    ],
)
def test_lines_that_are_no_rules(line: str, problem: str) -> None:
    rules, problems = parse_rules(f"# rules\n{line}\nb 1\n")
    assert rules == (Rule("b", ban=True, text="b 1"),)
    assert len(problems) == 1
    assert problems[0].startswith("line 2 ")
    assert problem in problems[0]
    assert problems[0].endswith(": it is skipped")


def test_many_rules_are_no_burden() -> None:
    text = "\n".join(f"10.{n >> 8}.{n & 255}.0/24 1" for n in range(20_000))
    rules, _ = parse_rules(text)
    matcher = Matcher(rules)
    assert matcher.find(Address("10.1.2.77", 1)) == rules[258]
    assert matcher.find(Address("11.1.2.77", 1)) is None


def test_a_rule_for_an_address_fits_a_name_that_leads_there() -> None:
    rules, _ = parse_rules("127.0.0.0/8 1\nallowed.example 0\nworse.example 0\n127.0.0.9 1")
    matcher = Matcher(rules)
    name, allowed = Address("name.example", 80), Address("allowed.example", 80)
    assert matcher.find(name) is None
    assert matcher.find(name, "192.0.2.1") is None
    assert matcher.find(name, "127.0.0.1") is rules[0]
    assert matcher.find(name, "::ffff:127.0.0.1") is rules[0]
    assert matcher.find(allowed, "127.0.0.1") is rules[1]
    assert matcher.find(allowed, "127.0.0.9") is rules[3]


@pytest.mark.parametrize(
    ("line", "host", "port", "end"),
    [
        ("to:example.com 1", "example.com", None, End.TARGET),
        ("TO:example.com:25 1", "example.com", 25, End.TARGET),
        ("from:* 1", "*", None, End.SOURCE),
        ("to:*:25 1", "*", 25, End.TARGET),
        ("to:::1 1", ip_network("::1"), None, End.TARGET),
        ("from:[2001:db8::/32]:443 1", ip_network("2001:db8::/32"), 443, End.SOURCE),
        ("to:10.0.0.0/8 1", ip_network("10.0.0.0/8"), None, End.TARGET),
        ("tor.example:25 1", "tor.example", 25, None),
        ("to 1", "to", None, None),
    ],
)
def test_a_prefix_names_the_end_that_a_rule_is_about(
    line: str, host: object, port: int | None, end: End | None
) -> None:
    (rule,), problems = parse_rules(line)
    assert problems == []
    assert (rule.host, rule.port, rule.end, rule.text) == (host, port, end, line)
    assert [rule.is_about(each) for each in End] == [end in {None, each} for each in End]


def test_a_prefix_before_a_bare_port_is_ambiguous() -> None:
    rules, problems = parse_rules("to:25 1\nfrom: 1")
    assert rules == ()
    assert problems == [
        "line 1 can be read in two ways: write to:*:25 for a port: it is skipped",
        "line 2 does not begin with a host, host:port or address/bits: it is skipped",
    ]


def test_the_example_of_the_guide_lets_clients_of_the_same_machine_in() -> None:
    guide = Path("docs/guide/acl.md").read_text("utf-8")
    rules, problems = parse_rules(guide.partition("```text\n")[2].partition("```")[0])
    assert problems == []
    assert len(rules) == 8
    sources = Matcher(rule for rule in rules if rule.is_about(End.SOURCE))
    assert sources.find(Address("127.0.0.1", 40000)) is None
    targets = Matcher(rule for rule in rules if rule.is_about(End.TARGET))
    banned = targets.find(Address("127.0.0.1", 22))
    assert banned is not None
    assert banned.ban
