"""One thing that doctor looked at."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Check"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at. `status` is `ok`, `warn` (works, and wants a look) or `fail`; `mend` is what to do."""

    name: str
    status: str
    message: str
    mend: str | None = None
