"""``blinktun lab`` from outside."""

from __future__ import annotations

import json
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest
from tests.interop.harness import peers

from blinktun.lab.host import NAMESPACES

if TYPE_CHECKING:
    from collections.abc import Iterator

LAB = [str(peers.ours("blinktun")), "lab"]
NAMES = 'echo "$LAB_CLIENT $LAB_SERVER"'


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*LAB, *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def test_a_command_runs_at_the_client_and_its_status_is_passed_on() -> None:
    done = run("clean", "--", "sh", "-c", f"{NAMES}; ip -brief address; exit 7")
    assert done.returncode == 7
    names, *addresses = done.stdout.splitlines()
    assert "10.77.0.1/24" in addresses[-1]
    assert "packets" in done.stderr
    assert not any((NAMESPACES / name).exists() for name in names.split())


def test_a_command_may_run_at_the_server() -> None:
    done = run("--server", "clean", "--", "ip", "-brief", "address")
    assert done.returncode == 0
    assert "10.77.0.2/24" in done.stdout


def test_a_command_that_a_signal_ends() -> None:
    assert run("clean", "--", "sh", "-c", "kill -9 $$").returncode == 128 + 9


def test_counts_are_json_for_programs() -> None:
    send = "import socket; s = socket.socket(2, 2); s.sendto(bytes(100), ('10.77.0.2', 9))"
    done = run("--json", "dsl loss=0", "seed=1", "--", "python3", "-c", send)
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert facts["link"] == "dsl loss=0 seed=1"
    assert facts["words"][0] == "down=20mbit"
    assert (facts["up"]["sent"], facts["up"]["sent_bytes"]) == (1, 128)
    assert facts["seconds"] > 0
    assert set(facts["down"]) == set(facts["up"])


@pytest.fixture
def resident() -> Iterator[subprocess.Popen[str]]:
    """A lab without a command."""
    # The tests may run in the background, where shells let programs ignore SIGINT.
    command = ["env", "--default-signal=INT", *LAB, "--json", "dsl"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as lab:
        yield lab
        lab.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_lab_stays_until_a_signal(resident: subprocess.Popen[str], number: int) -> None:
    assert resident.stderr is not None
    lines = list(iter(resident.stderr.readline, "Try it as root, in other terminals:\n"))
    names = [line.split()[1] for line in lines if "10.77.0." in line]
    assert len(names) == 2
    assert all((NAMESPACES / name).exists() for name in names)
    resident.send_signal(number)
    shown, _ = resident.communicate(timeout=60)
    assert resident.returncode == 0
    assert json.loads(shown)["up"]["sent"] == 0
    assert not any((NAMESPACES / name).exists() for name in names)


@pytest.mark.parametrize(
    ("trap", "signals", "status"),
    [("exit 5", 1, 5), ("echo again", 2, 128 + 9)],
)
def test_sigterm_is_for_the_command_first(trap: str, signals: int, status: int) -> None:
    script = f"trap '{trap}' TERM; {NAMES}; while :; do sleep 0.01; done"
    with subprocess.Popen(
        [*LAB, "clean", "--", "sh", "-c", script], stdout=subprocess.PIPE, text=True
    ) as lab:
        assert lab.stdout is not None
        names = lab.stdout.readline().split()
        for index in range(signals):
            if index:
                assert lab.stdout.readline() == "again\n"
            lab.send_signal(signal.SIGTERM)
        assert lab.wait(60) == status
    assert not any((NAMESPACES / name).exists() for name in names)
