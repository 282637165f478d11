"""The rules that ``acl_conf`` names, and what they do to clients of their own machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blinktun.address import Address
from blinktun.config.acl import End, Matcher, parse_rules
from blinktun.config.files import existing_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from blinktun.config.acl import Rule
    from blinktun.config.settings import Settings

_MAX_PROBLEMS = 20
"""Lines of a file of rules that get a warning each."""
_LOOPBACK = (Address("127.0.0.1", 0), Address("::1", 0))
_EVERYWHERE = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - to recognise, not to bind
_METADATA = Address("169.254.169.254", 0)
_REACHABLE = (
    "clients can reach services of this machine (127.0.0.1, link-local and its own addresses):"
    ' write "targets": "remote" to refuse that, or "targets": "any" if it is meant'
)
_FAILURES = (
    "acl bans a source whose connections fail twice: behind a program on this machine, such as"
    " kcptun, all clients are one source"
)


def read_rules(settings: Settings) -> tuple[tuple[Rule, ...] | None, list[str]]:
    """The rules of a server, None without ``acl``; and a warning for each line that is no rule.

    Raises:
        ConfigError: the file cannot be read.
    """
    if not settings.boolean("acl"):
        return None, []
    path = existing_file(settings, "acl_conf", "the file of the rules")
    try:
        text = path.read_text("utf-8", errors="replace")
    except OSError as error:
        problem = f"cannot be read: {error.strerror or error}"
        raise settings.error("acl_conf", problem, fix="make it readable") from None
    rules, problems = parse_rules(text)
    if len(problems) > _MAX_PROBLEMS:
        more = len(problems) - _MAX_PROBLEMS
        problems[_MAX_PROBLEMS:] = [f"{more} more lines are skipped"]
    return rules, [f"{path}: {problem}" for problem in problems]


def warnings_of_rules(
    rules: Sequence[Rule] | None, redirect: Address | None, listen: Address
) -> Iterator[str]:
    """What the rules do to clients that come through another program on the same machine."""
    if rules is None:
        return
    is_local = listen.host == "localhost" or bool(listen.ip and listen.ip.is_loopback)
    if is_local and not redirect:
        yield _FAILURES
    banning = _rule_that_bans_loopback(rules)
    if banning and (is_local or listen.host in _EVERYWHERE):
        fix = f'write "to:{banning.text}" to ban it as a target alone'
        yield f'rule "{banning.text}" also bans clients that come from this machine: {fix}'


def warnings_of_targets(rules: Sequence[Rule] | None) -> Iterator[str]:
    """What clients can reach on the server's machine if ``targets`` is not written in its file."""
    matcher = Matcher(rule for rule in rules or () if rule.is_about(End.TARGET))
    found = [matcher.find(address) for address in (*_LOOPBACK, _METADATA)]
    if not all(rule and rule.ban for rule in found):
        yield _REACHABLE


def _rule_that_bans_loopback(rules: Sequence[Rule]) -> Rule | None:
    """The rule that bans a loopback source, unless it says that it is about sources."""
    sources = Matcher(rule for rule in rules if rule.is_about(End.SOURCE))
    found = (sources.find(address) for address in _LOOPBACK)
    return next((rule for rule in found if rule and rule.ban and rule.end is None), None)
