"""The four example files, on this machine and on ports that are free."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.interop.harness.boxes import blinksocks_from_file, kcptun_from_file
from tests.interop.harness.peers import ROOT, ours
from tests.interop.harness.ports import free_port
from tests.interop.harness.processes import Program

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interop.harness.boxes import Kcptun
    from tests.interop.harness.ports import Protocol

BOXES = {
    "blinksocks.client": 1080,
    "kcptun.client": 12948,
    "kcptun.server": 29900,
    "blinksocks.server": 30370,
}
"""The files, from the application to the target, and where each box listens in them."""


def move_examples(folder: Path) -> dict[str, int]:
    """Write the four files into `folder`, changed in their addresses alone.

    Returns:
        The new port of each box.
    """
    ports = {port: free_port() for port in BOXES.values()}
    for box in BOXES:
        text = (ROOT / "examples" / f"{box}.json").read_text().replace("example.com", "127.0.0.1")
        for old, new in ports.items():
            text = re.sub(rf"\b{old}\b", str(new), text)
        (folder / f"{box}.json").write_text(text)
    return {box: ports[port] for box, port in BOXES.items()}


def together(folder: Path, *boxes: str) -> Program:
    """One process of ours that runs the files of several boxes."""
    files = [folder / f"{box}.json" for box in boxes]
    ports = [program.port for program in (example_program("ours", box, folder) for box in boxes)]
    kind: Protocol = "udp" if boxes[0] == "kcptun.server" else "tcp"
    argv: list[str | Path] = [ours("blinktun"), "run", *files]
    return Program("-".join(boxes), argv, folder, listens=(kind, ports[0]))


def example_program(impl: Kcptun, box: str, folder: Path) -> Program:
    """The program of that box, set up by its moved file."""
    config = folder / f"{box}.json"
    if box.startswith("blinksocks"):
        return blinksocks_from_file("ours" if impl == "ours" else "theirs", config)
    return kcptun_from_file(impl, config)
