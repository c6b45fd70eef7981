"""`python -m systemprompt` is `sp`."""

from __future__ import annotations

import sys

from systemprompt.entry import run

if __name__ == "__main__":
    sys.exit(run())
