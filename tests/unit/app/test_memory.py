from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import resource
from blinktun.app.memory import keep_freed_memory
keep_freed_memory()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    bytearray(700_000)
before = faults()
for _ in range(1000):
    bytearray(700_000)
print(faults() - before)
"""


def test_large_chunks_come_and_go_without_page_faults() -> None:
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True
    )
    # Without it: 170 faults for each of the 1000 chunks.
    assert int(result.stdout) < 2000
