"""The package in which job files are modules: under the same name in every process of an installation.

A job file may be called `email.py` and hide nothing, so its module has a name of its own, made of its path. What a job pickles,
such as the function that it gives to `multiprocessing` under `spawn` or `forkserver`, names that module, and the process that reads
it imports it by this name: importing the package puts a finder in place that knows the file among those of the folders on
`sys.path`, which such processes take over from the one that starts them.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from importlib.machinery import ModuleSpec
from zlib import crc32

__all__ = ["module_name"]


def module_name(path: str) -> str:
    """Return the name of the module that a job file is, here and in every other process."""
    return f"{__name__}.{_last_part(path)}"


def _last_part(path: str) -> str:
    stem = os.path.splitext(os.path.basename(path))[0].replace(".", "_")
    return f"{stem}_{crc32(os.fsencode(path)):08x}"


class _Finder:
    """Finds a job file by its module's name."""

    @staticmethod
    def find_spec(name: str, _path: object = None, _target: object = None) -> ModuleSpec | None:
        package, _, last = name.rpartition(".")
        if package != __name__:
            return None
        for folder in sys.path:
            try:
                files = [os.path.join(folder, file) for file in os.listdir(folder) if file.endswith(".py")]
            except OSError:
                continue  # what is on sys.path need not be a folder
            for file in files:
                if _last_part(file) == last:
                    return importlib.util.spec_from_file_location(name, file)
        return None


sys.meta_path.append(_Finder)
