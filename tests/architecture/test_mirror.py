"""Who looks for the tests of a file finds them in the same place under ``tests/unit``."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "blinktun"
UNIT = ROOT / "tests" / "unit"

ELSEWHERE = {
    "cli/blinksocks.py": "unit/cli/test_blinksocks_command.py",
    "cli/check.py": "unit/cli/test_main.py",
    "cli/common.py": "unit/cli/test_main.py",
    "cli/demo.py": None,
    "__main__.py": "unit/cli/test_main.py",
    "cli/demo_target.py": None,
    "cli/help.py": "unit/cli/test_kcptun_command.py",
    "cli/kcptun.py": "unit/cli/test_kcptun_command.py",
    "config/blinksocks.py": "unit/config/test_blinksocks_config.py",
    "config/explain.py": "unit/config/test_kcptun_config.py",
    "config/kcptun.py": "unit/config/test_kcptun_config.py",
    "config/model.py": "unit/config/test_kcptun_config.py",
    "config/options.py": "unit/config/test_kcptun_config.py",
    "config/options_blinksocks.py": "unit/config/test_blinksocks_config.py",
    "config/options_kcptun.py": "unit/config/test_kcptun_config.py",
    "config/settings.py": "unit/config/test_kcptun_config.py",
    "kcp/keys.py": None,
    "lab/host.py": "netns/test_lab.py",
    "lab/lab.py": "netns/test_lab.py",
    "lab/tun.py": "netns/test_lab.py",
    "proxies/refusal.py": None,
    "presets/base.py": "unit/presets/test_pipeline.py",
    "transports/base.py": "unit/transports/test_tcp.py",
}
"""Modules whose tests have another name; None: types alone, or a face for people."""

MODULES = sorted(
    str(path.relative_to(PACKAGE))
    for path in PACKAGE.rglob("*.py")
    if path.name != "__init__.py" and "testing" not in path.parts
)


@pytest.mark.parametrize("module", MODULES)
def test_a_module_has_its_tests_in_the_same_place(module: str) -> None:
    path = Path(module)
    own = UNIT / path.with_name(f"test_{path.name}")
    if module not in ELSEWHERE:
        assert own.is_file(), f"{module} has no {own.relative_to(ROOT)}"
        return
    assert not own.exists(), f"{module} needs no exception"
    elsewhere = ELSEWHERE[module]
    assert elsewhere is None or (ROOT / "tests" / elsewhere).is_file()


def test_no_exception_outlives_its_module() -> None:
    assert set(ELSEWHERE) <= set(MODULES)
