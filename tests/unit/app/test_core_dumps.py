from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import resource
from blinktun.app.core_dumps import forbid_core_dumps
hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
forbid_core_dumps()
soft, still = resource.getrlimit(resource.RLIMIT_CORE)
print(0 <= soft <= 1, still == hard)
"""


def test_no_core_dump_is_left_and_the_owner_may_allow_one_again() -> None:
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True
    )
    assert result.stdout.split() == ["True", "True"]
