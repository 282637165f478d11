from __future__ import annotations

import os
import subprocess
import sys

import pytest

from blinktun._core import DEFAULT_MEMORY
from blinktun.address import Address
from blinktun.app.memory import session_memory
from blinktun.config.model import KcptunServer, PortRange

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


def _server(memory: int | None) -> KcptunServer:
    target = Address("127.0.0.1", 1)
    return KcptunServer(listen=PortRange("", 1, 1), target=target, memory=memory)


def test_a_process_keeps_to_the_least_that_a_role_says() -> None:
    servers = [_server(memory) for memory in (None, 64 << 20, 32 << 20)]
    assert session_memory(servers) == 32 << 20


@pytest.mark.parametrize(
    ("machine", "memory"),
    [(512 << 20, 128 << 20), (8 << 30, DEFAULT_MEMORY), (None, DEFAULT_MEMORY)],
)
def test_else_to_a_quarter_of_the_machine(
    machine: int | None, memory: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sysconf(name: str) -> int:
        if machine is None:
            raise ValueError(name)
        return {"SC_PHYS_PAGES": machine // 4096, "SC_PAGE_SIZE": 4096}[name]

    monkeypatch.setattr(os, "sysconf", sysconf)
    assert session_memory([_server(None)]) == memory


def test_large_chunks_come_and_go_without_page_faults() -> None:
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True
    )
    # Without it: 170 faults for each of the 1000 chunks.
    assert int(result.stdout) < 2000
