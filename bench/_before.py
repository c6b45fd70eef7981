"""The code as it was before the present issue, taken from git, measured in the same run by its own bench.

It stands in `.venv/before/COMMIT`. Where the history is not there (a source archive, a shallow clone) it is not measured, and the
report says so.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from typing import Any

from bench._report import REPOSITORY, NotMeasured

__all__ = ["COMMIT", "NAME", "ask_before", "is_there"]

COMMIT = "c31e2c9"
"""The last commit before the ledger's second edition."""

NAME = f"before: {COMMIT}"


def is_there() -> bool:
    """Say whether the code before can be measured here."""
    return _tree() is not None


def ask_before(script: str, **question: object) -> Any:
    """Run this Python text in the tree of before, with `question` as a dictionary of that name; return the JSON that it prints.

    Raises:
        NotMeasured: there is no such tree, or the script failed.
    """
    tree = _tree()
    if tree is None:
        raise NotMeasured(f"commit {COMMIT} is not in this clone")
    text = f"import json\nquestion = json.loads({json.dumps(json.dumps(question))})\n{script}"
    ended = subprocess.run(
        [sys.executable, "-c", text],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([os.path.join(tree, "src"), tree])},
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode != 0:
        raise NotMeasured(f"the code of {COMMIT} failed:\n{ended.stderr[-2000:]}")
    return json.loads(ended.stdout.splitlines()[-1])


def _tree() -> str | None:
    place = os.path.join(REPOSITORY, ".venv", "before", COMMIT)
    if os.path.isdir(place):
        return place
    asked = ["git", "-C", REPOSITORY, "archive", COMMIT, "src", "bench"]
    archive = subprocess.run(asked, capture_output=True, check=False)
    if archive.returncode != 0:
        return None
    half = f"{place}.{os.getpid()}"
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(half, filter="data")
    os.rename(half, place)
    return place
