"""Whether a node's process is gone is said only where it is certain."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from systemprompt.clock import SystemClock
from systemprompt.ledger.records import NodeIdentity
from systemprompt.nodes.identity import is_gone, this_machine, this_process


def identity(**changes: object) -> NodeIdentity:
    mine = this_process(kind="serve", program="test", lease_s=30, capacity=1, now=SystemClock().now())
    return replace(mine, **changes)  # type: ignore[arg-type]  # fields by name


def test_each_process_takes_a_fresh_id() -> None:
    assert identity().node_id != identity().node_id


def test_this_very_process_is_not_gone() -> None:
    assert is_gone(identity(), this_machine()) is False


def test_a_process_of_another_machine_cannot_be_looked_at() -> None:
    assert is_gone(identity(machine="other/boot"), this_machine()) is None


def test_a_process_id_that_was_given_to_another_process_is_gone() -> None:
    mine = identity()
    assert is_gone(replace(mine, pid_started_at=mine.pid_started_at - 1), this_machine()) is True


@pytest.mark.parametrize("pid", [2**31, 2**62, 2**63 - 1])
def test_a_process_id_that_no_system_gives_out_is_gone(pid: int) -> None:
    assert is_gone(replace(identity(), pid=pid), this_machine()) is True


def test_a_process_that_ended_is_gone_even_while_nobody_asked_how() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    node = identity(pid=child.pid)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert is_gone(node, this_machine()) is True
    child.communicate()
    assert is_gone(node, this_machine()) is True


def test_a_process_whose_start_was_never_known_is_left_to_its_lease() -> None:
    assert is_gone(identity(pid_started_at=0), this_machine()) is None


def test_a_process_that_is_there_but_hidden_is_left_to_its_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    from systemprompt.nodes import identity as module

    def refuse(pid: int, number: int) -> None:
        raise PermissionError

    monkeypatch.setattr(module, "_started_at", lambda pid: None)
    monkeypatch.setattr(os, "kill", refuse)
    assert is_gone(identity(pid_started_at=7), this_machine()) is None


def test_a_process_says_which_labels_it_has_and_which_zone_data_it_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert identity().labels == ()
    now = SystemClock().now()
    mine = this_process(kind="serve", program="test", lease_s=30, capacity=1, now=now, labels=("eu", "gpu"))
    assert mine.labels == ("eu", "gpu")
    (tmp_path / "Europe").mkdir()
    (tmp_path / "Europe" / "Berlin").touch()
    monkeypatch.setattr("zoneinfo.TZPATH", (str(tmp_path),))
    assert identity().zone_data == "", "data that does not say its release"
    (tmp_path / "+VERSION").write_text("2024a\n", encoding="ascii")
    assert identity().zone_data == "2024a"
    (tmp_path / "tzdata.zi").write_text("# version 2025b-rearguard\n# more\n", encoding="ascii")
    assert identity().zone_data == "2025b", "the form of the data changes no zone"
    monkeypatch.setattr("zoneinfo.TZPATH", ())
    monkeypatch.setattr("systemprompt.cron.zone_release.IANA_VERSION", "2025c")
    assert identity().zone_data == "2025c", "that of the package, where the machine has none"
