"""Fixtures that many folders use. Nothing of the package is loaded before a test asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from support.cli_session import CliSession

pytest.register_assert_rewrite("support")


@pytest.fixture
def cli(tmp_path: Path) -> CliSession:
    """`sp` on an installation of its own whose clock stands still."""
    from support.cli_session import CliSession

    return CliSession(tmp_path)


@pytest.fixture
def live(tmp_path: Path) -> CliSession:
    """`sp` on an installation of its own in real time, for tests that really run jobs."""
    from support.cli_session import CliSession

    return CliSession(tmp_path, real_time=True)
