"""What Python loads at its start where libfaketime is in it: 0.9.10 makes `time.sleep` of Python 3.11 fail (EINVAL)."""

from __future__ import annotations

import select
import time
from typing import SupportsIndex


def _sleep(seconds: SupportsIndex | float) -> None:
    select.select([], [], [], float(seconds))


time.sleep = _sleep
