"""What the program is called that embeds a node: by this name the ledger knows it."""

from __future__ import annotations

import os
import sys

__all__ = ["program_name"]


def program_name() -> str:
    """Return the name of the module that `python -m` runs, or of the script without its ending; `python` where there is neither."""
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        name: str = spec.name
        return name.removesuffix(".__main__")
    script = getattr(main, "__file__", None)
    return os.path.splitext(os.path.basename(script))[0] if script else "python"
