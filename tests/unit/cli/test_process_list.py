"""What ``ps`` and ``/proc`` show of a program that was given secrets."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "hunter2-hunter2=;x"
MAIN = "from blinktun.cli.kcptun import client_main as main; raise SystemExit(main())"


@pytest.fixture(params=[("-key", SECRET), (f"--key={SECRET}",), ("-key", "first", "-key", SECRET)])
def running(request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[str]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            MAIN,
            "-l",
            f"127.0.0.1:{port}",
            "-r",
            "h:9",
            *request.param,
        ],
        env={**os.environ, "KCPTUN_KEY": f"{SECRET}-too", "OTHER": "stays"},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stderr
        process.stderr.close()


def test_secrets_are_gone_once_the_program_listens(running: subprocess.Popen[str]) -> None:
    assert running.stderr
    deadline = time.monotonic() + 30
    while "listening on: " not in running.stderr.readline():
        assert time.monotonic() < deadline
    folder = Path(f"/proc/{running.pid}")
    arguments = (folder / "cmdline").read_bytes().split(b"\0")
    assert SECRET.encode() not in b" ".join(arguments)
    assert b"first" not in arguments
    assert b"h:9" in arguments  # the rest is there as it was
    variables = (folder / "environ").read_bytes().split(b"\0")
    assert SECRET.encode() not in b" ".join(variables)
    assert b"OTHER=stays" in variables


def test_the_program_goes_on_with_the_values_that_it_read() -> None:
    script = (
        "import os, sys; from blinktun.cli.process_list import *;"
        "hide_arguments(['abc']); hide_variables(['A', 'MISSING']);"
        "shown = open('/proc/self/cmdline').read().split(chr(0));"
        "print(sys.argv[1:], os.environ['A'], shown[3:-1])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "abc", "abcd", "-x=abc", "xabc"],
        env={**os.environ, "A": "abc"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == (
        "['abc', 'abcd', '-x=abc', 'xabc'] abc ['xxx', 'abcd', '-x=xxx', 'xabc']\n"
    )
