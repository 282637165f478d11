"""``python -m blinktun``: the same as the command ``blinktun``."""

from __future__ import annotations

import sys

from blinktun.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
