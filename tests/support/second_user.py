"""Another real user of the machine, for tests of what a stranger could do: root becomes one in a child process."""

from __future__ import annotations

import os
import pickle
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pytest

__all__ = ["STRANGER", "as_user", "needs_second_user", "shared_folder"]

STRANGER = 54_321
"""A user id that no list of users has, and a group id too."""

needs_second_user = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a second user")

Answer = TypeVar("Answer")


def as_user(
    do: Callable[[], Answer], uid: int = STRANGER, *, gid: int = STRANGER, groups: Sequence[int] = ()
) -> Answer:
    """Return what `do` returns, or raise what it raises, in a child process of another user, its group and these others."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups(groups)
            os.setresgid(gid, gid, gid)
            os.setresuid(uid, uid, uid)
            try:
                answer: tuple[bool, object] = (True, do())
            except BaseException as error:  # noqa: BLE001  # the parent raises it
                answer = (False, error)
            with os.fdopen(writing, "wb") as pipe:
                pickle.dump(answer, pipe)
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        data = pipe.read()
    os.waitpid(child, 0)
    worked, value = pickle.loads(data)
    if not worked:
        raise value
    found: Answer = value
    return found


@contextmanager
def shared_folder() -> Iterator[Path]:
    """Give a folder that every user may enter: pytest's own are for their owner alone."""
    folder = Path(tempfile.mkdtemp(prefix="sp-shared-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
