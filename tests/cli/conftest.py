"""A desk for every test that asks for one."""

from __future__ import annotations

from pathlib import Path

import pytest
from desk import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """An installation whose clock stands still."""
    return Desk(tmp_path)


@pytest.fixture
def live(tmp_path: Path) -> Desk:
    """An installation in real time, for tests that really run jobs."""
    return Desk(tmp_path, real_time=True)
