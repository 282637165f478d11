"""The folder in which programs keep what outlives them."""

from __future__ import annotations

import hmac
import os
import secrets
from contextlib import suppress
from pathlib import Path

OFF = "off"
"""The setting that keeps everything in memory."""

_NAME = "secret"
_SECRET_SIZE = 32


def state_folder(setting: str) -> Path | None:
    """The folder that a setting means; None: nothing is written.

    Args:
        setting: A path, ``off``, or nothing: what systemd says (``StateDirectory=``), else
            ``/var/lib/blinktun`` for root, else the user's own state folder.

    Raises:
        OSError: the user has no home.
    """
    if setting == OFF:
        return None
    if setting:
        return Path(setting)
    if given := os.environ.get("STATE_DIRECTORY", "").partition(":")[0]:
        return Path(given)
    if os.geteuid() == 0:
        return Path("/var/lib/blinktun")
    if (home := os.environ.get("XDG_STATE_HOME", "")).startswith("/"):
        return Path(home, "blinktun")
    try:
        return Path.home() / ".local" / "state" / "blinktun"
    except RuntimeError as error:
        raise FileNotFoundError(str(error)) from None


class Secret:
    """Random bytes of one machine and user, from which names and fingerprints are derived.

    So neither says anything about a key: not in a listing, and not in a log.
    """

    def __init__(self, value: bytes) -> None:
        self._value = value

    @classmethod
    def random(cls) -> Secret:
        """One that ends with the process."""
        return cls(secrets.token_bytes(_SECRET_SIZE))

    @classmethod
    def of(cls, folder: Path) -> Secret:
        """The one in a folder; folder and secret are made if they do not exist.

        Raises:
            OSError: they cannot be made or read.
            ValueError: the secret is damaged.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / _NAME
        with suppress(FileNotFoundError):
            value = path.read_bytes()
            if len(value) != _SECRET_SIZE:
                raise ValueError(f"{path} is damaged: remove it")
            return cls(value)
        # Written whole under another name first: another process may be starting too.
        new = folder / f"{_NAME}.{os.getpid()}"
        new.touch(0o600)
        new.write_bytes(secrets.token_bytes(_SECRET_SIZE))
        with suppress(FileExistsError):
            os.link(new, path)
        new.unlink()
        return cls(path.read_bytes())

    def derive(self, purpose: str, key: bytes) -> bytes:
        """32 bytes that follow from a purpose and a key."""
        return hmac.digest(self._value, purpose.encode() + b"\0" + key, "sha256")
