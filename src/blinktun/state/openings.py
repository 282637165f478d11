"""Which connections were opened already: what is recorded and sent again is not served again.

A million fingerprints are in memory, and those of all processes with the same key in one file.
Nothing depends on the file: if it cannot be written, a warning says so once, and the memory goes
on without it.
"""

from __future__ import annotations

import hashlib
import logging
import time
from typing import TYPE_CHECKING

from blinktun._core import OpeningMemory
from blinktun.state.folder import Secret, state_folder
from blinktun.state.opening_file import BusyError, OpeningFile

if TYPE_CHECKING:
    from collections.abc import Callable

_log = logging.getLogger("blinktun.state")

_RETRY = 1.0
"""Seconds between two tries to write to a file that could not be written."""
_PATIENCE = 5.0
"""Seconds for which another process may hold the file before that is a failure."""


class Openings:
    """The openings of one kind of server with one key.

    Args:
        setting: As of `state_folder`.
        kind: Of server; each has a file of its own.
        key: Any secret of the server; neither the file nor its name tells it.

    Attributes:
        memory: What the core remembers in.
        lost: How many openings were not saved, so far.
    """

    def __init__(
        self, setting: str, kind: str, key: bytes, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.memory = OpeningMemory()
        self.lost = 0
        self._clock = clock
        self._file: OpeningFile | None = None
        self._failed_at: float | None = None  # while the file cannot be written
        self._busy_since: float | None = None
        self._where = setting
        secret = Secret.random()
        try:
            if folder := state_folder(setting):
                self._where = str(folder)
                secret = Secret.of(folder)
                name = secret.derive(f"file of {kind}", key).hex()[:16]
                self._file = OpeningFile(folder / f"{kind}-{name}.openings", self.memory)
                self._open(self._file)
        except (OSError, ValueError) as error:
            self._fail(error)
        self._fingerprint_key = secret.derive(f"fingerprints of {kind}", key)

    def is_new(self, token: bytes) -> bool:
        """Remember a token that no client sends twice; False if it was remembered before."""
        digest = hashlib.blake2b(token, digest_size=8, key=self._fingerprint_key).digest()
        fingerprint = int.from_bytes(digest, "little")
        if not self.memory.insert(fingerprint):
            return False
        return fingerprint not in self.save()

    def save(self) -> frozenset[int]:
        """Write down what is not on disk yet, and learn what others wrote meanwhile.

        Returns:
            Those of the fingerprints that another process had written first.
        """
        if self._file is None:
            self.memory.take_unsaved()
            return frozenset()
        if not self._file.is_behind:
            return frozenset()
        if self._is_pausing():
            self.lost += self._file.drop()
            return frozenset()
        try:
            if self._failed_at is not None:
                self._file.rewrite()
            known = self._file.append()
        except BusyError as error:
            self._note_busy(error)
            return frozenset()
        except (OSError, ValueError) as error:
            self._fail(error)
            return frozenset()
        if self._failed_at is not None:
            _log.info("openings are saved again in %s", self._where)
        self._failed_at = self._busy_since = None
        return known

    def close(self) -> None:
        """Close the file; the memory can still be used."""
        if self._file:
            self._file.close()
            self._file = None

    def _open(self, file: OpeningFile) -> None:
        damaged = file.open()
        if damaged:
            _log.warning("%s: %d damaged records are left out", file.path, damaged)

    def _is_pausing(self) -> bool:
        return self._failed_at is not None and self._clock() - self._failed_at < _RETRY

    def _note_busy(self, error: BusyError) -> None:
        """Another process has the file; what is not saved now is saved with the next."""
        now = self._clock()
        if self._busy_since is None:
            self._busy_since = now
        elif now - self._busy_since > _PATIENCE:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        if self._failed_at is None:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            _log.warning(
                "openings are not saved in %s (%s), so a restart forgets them; make the folder"
                " writable, or name another with statedir (in files of blinksocks: state_dir)",
                self._where,
                reason or error,
            )
        self._failed_at = self._clock()
        if self._file:
            self.lost += self._file.drop()
