"""What is tracked stands on its own, on any machine."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# Brackets keep the patterns from finding themselves.
ELSEWHERE = re.compile(r"(?<![\w.])/(?:wor[k]|roo[t]|hom[e]/\w+|User[s]/\w+)/|\.\./share[d]")
REGISTRIES = re.compile(
    r"--(?:extra-)?inde[x]-url|--regis[t]ry|registry\.npm[j]s|pypi\.or[g]|deb\.debia[n]"
)


def tracked_texts() -> dict[str, str]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    texts: dict[str, str] = {}
    for name in listed.stdout.decode().split("\0"):
        path = ROOT / name
        if name and path.is_file():
            texts[name] = path.read_text(errors="replace")
    return texts


def test_no_file_names_a_place_outside_the_repository() -> None:
    found = {
        name: match[0]
        for name, text in tracked_texts().items()
        if (match := ELSEWHERE.search(text))
    }
    assert not found


def test_no_file_chooses_a_package_registry() -> None:
    # Machines bring their own configuration of pip, cargo, npm and apt.
    texts = tracked_texts()
    found = {name: match[0] for name, text in texts.items() if (match := REGISTRIES.search(text))}
    assert not found
