"""Which release this is: `sp --version`, the package's metadata and what the ledger says of its nodes."""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
