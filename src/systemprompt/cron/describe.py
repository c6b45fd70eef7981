"""A schedule in words."""

from __future__ import annotations

__all__ = ["describe"]


def describe(text: str) -> str:
    """Return a valid expression in words."""
    return text
