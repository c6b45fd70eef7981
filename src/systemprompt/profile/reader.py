"""What reading a value of a profile needs besides its node."""

from __future__ import annotations

import os
from dataclasses import dataclass

from systemprompt.profile.document import Fault, Values

__all__ = ["Reader"]


@dataclass(frozen=True, slots=True)
class Reader:
    """What a kind needs besides its node: the variables, and the folder that relative paths are relative to."""

    values: Values
    home: str

    def path(self, text: str) -> str:
        """Return a path of the profile as an absolute one."""
        if not text.strip():
            raise Fault("the path is empty; write one, relative to the profile's folder or absolute")
        if "\0" in text:
            raise Fault("a path cannot hold a NUL character")
        if text == "~" or text.startswith("~/"):
            text = (self.values.variable("HOME") or os.path.expanduser("~")) + text[1:]
        return os.path.normpath(os.path.join(self.home, text))
