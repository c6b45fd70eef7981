"""A blog, as a package of its own that brings its jobs along."""

from __future__ import annotations

__all__: list[str] = []
