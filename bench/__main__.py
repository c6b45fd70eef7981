"""`python -m bench` lists the benches, `python -m bench NAME [FLAGS]` runs one, `python -m bench all` runs those on SQLite.

A bench is a module of this package with a docstring and `main(arguments) -> int`; `--check` makes its "must" the exit status.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys

import bench
from bench._report import NotMeasured


def main(arguments: list[str]) -> int:
    """Run the bench that the first argument names, or list them all."""
    names = sorted(module.name for module in pkgutil.iter_modules(bench.__path__) if not module.name.startswith("_"))
    if not arguments:
        for name in names:
            summary = (importlib.import_module(f"bench.{name}").__doc__ or "").partition("\n")[0]
            print(f"  python -m bench {name:<10} {summary}")
        return 0
    name, *rest = arguments
    if name != "all" and name not in names:
        print(f"no bench is named {name!r}; there are: {', '.join(names)}", file=sys.stderr)
        return 2
    on_sqlite = [each for each in names if each != "cluster"]  # which needs a server and half an hour
    return max(_run(each, rest) for each in (on_sqlite if name == "all" else [name]))


def _run(name: str, arguments: list[str]) -> int:
    try:
        return int(importlib.import_module(f"bench.{name}").main(arguments))
    except NotMeasured as reason:
        # One that cannot be measured must not keep the others from it.
        print(f"bench {name} could not be measured: {reason}\n", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
