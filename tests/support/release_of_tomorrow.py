"""A build of systemprompt that has one policy and one migration more than this one: a copy of the sources, changed."""

from __future__ import annotations

import shutil
from pathlib import Path

import systemprompt

SOURCES = Path(systemprompt.__file__).parent

CHANGES = {
    "jobs/policies.py": (
        '    dst_fold: str = _choice(("first", "second", "both"), "a fixed time that the autumn clock change brings twice")\n',
        '    hurry: str = _choice(("calm", "now"), "how much the job matters")\n',
    ),
    "jobs/job.py": (
        "    dst_fold: str = _USUAL.dst_fold\n",
        "    hurry: str = _USUAL.hurry\n",
    ),
}
"""After this line, in each place where it stands, comes that one."""

MIGRATION = "0999_of_tomorrow.beside.sql"


def build(folder: Path) -> dict[str, str]:
    """Make the build in this folder; return what a process has to have in its environment to be of it."""
    package = folder / "systemprompt"
    shutil.copytree(SOURCES, package, ignore=shutil.ignore_patterns("__pycache__"))
    for name, (line, following) in CHANGES.items():
        text = (package / name).read_text(encoding="utf-8")
        assert line in text, f"{name} no longer has the line after which the newer release's comes"
        text = text.replace(line, line + following).replace(
            "    dst_fold: str = _USUAL.dst_fold,\n",
            "    dst_fold: str = _USUAL.dst_fold,\n    hurry: str = _USUAL.hurry,\n",
        )
        (package / name).write_text(text, encoding="utf-8")
    for engine in ("sqlite", "postgres"):
        migration = package / "ledger" / engine / "migrations" / MIGRATION
        migration.write_text("CREATE TABLE of_tomorrow (x integer);\n", encoding="utf-8")
    return {"PYTHONPATH": str(folder)}
