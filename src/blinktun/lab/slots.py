"""Which labs run at the same time, and what killed ones have left behind."""

from __future__ import annotations

import fcntl
import itertools
import os
from pathlib import Path

from blinktun.errors import LabError
from blinktun.lab.host import remove

FOLDER = Path("/run/blinktun-lab")
"""A file for each lab that runs. Its lock goes with the process, however that ends."""
_NAME = "blinktun{}-{}"
SIDES = ("client", "server")


class Slot:
    """A number that no other lab of this machine has while this one runs.

    What a killed lab has left behind is removed first.

    Raises:
        LabError: the folder of the locks cannot be written, or the system refuses to remove
            something.
    """

    def __init__(self, folder: Path = FOLDER) -> None:
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            for path in folder.iterdir():
                if path.name.isdecimal():
                    _sweep(path)
            self._path, self._lock = next(
                (path, lock)
                for path in (folder / str(number) for number in itertools.count())
                if (lock := _locked(path)) is not None
            )
        except OSError as error:
            raise LabError(f"{folder}: {error.strerror}") from error
        self._remove_namespaces()

    def name(self, side: str) -> str:
        """The name of one host's namespace."""
        return _NAME.format(self._path.name, side)

    def close(self) -> None:
        """Let the next lab have the number."""
        self._path.unlink(missing_ok=True)
        os.close(self._lock)

    def _remove_namespaces(self) -> None:
        try:
            for side in SIDES:
                remove(self.name(side))
        except LabError:
            os.close(self._lock)
            raise


def _sweep(path: Path) -> None:
    """Remove the lab of a process that has ended: its lock is free."""
    lock = _locked(path)
    if lock is None:
        return
    try:
        for side in SIDES:
            remove(_NAME.format(path.name, side))
        path.unlink(missing_ok=True)
    finally:
        os.close(lock)


def _locked(path: Path) -> int | None:
    """The descriptor of a locked file; None: somebody else holds it."""
    while True:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(path, lock):
                return lock
        except BlockingIOError:
            os.close(lock)
            return None
        except BaseException:
            os.close(lock)
            raise
        os.close(lock)  # its holder has removed it meanwhile


def _is_at(path: Path, lock: int) -> bool:
    try:
        found = path.stat()
    except FileNotFoundError:
        return False
    ours = os.fstat(lock)
    return (found.st_dev, found.st_ino) == (ours.st_dev, ours.st_ino)
