"""Who besides the user may change what a path leads to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support.second_user import STRANGER, needs_second_user
from systemprompt.ownership import strangers_hand, trusted_users

OWN = frozenset((0, os.geteuid()))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "a").mkdir(mode=0o755)
    (tmp_path / "a/file").write_text("x")
    (tmp_path / "a/file").chmod(0o644)
    return tmp_path / "a/file"


def test_what_only_this_user_may_write_is_nobody_elses(file: Path) -> None:
    assert strangers_hand(str(file), OWN) is None
    assert strangers_hand(str(file.parent / "absent/file"), OWN) is None


def test_a_file_or_a_folder_on_the_way_that_everybody_may_write_is_named(file: Path) -> None:
    file.chmod(0o646)
    assert strangers_hand(str(file), OWN) == f"{file} may be written by everybody"
    file.chmod(0o644)
    file.parent.chmod(0o757)
    assert strangers_hand(str(file), OWN) == f"{file.parent} may be written by everybody"


def test_a_sticky_folder_is_safe_for_what_is_owned_in_it_and_not_to_make_files_in(file: Path) -> None:
    file.parent.chmod(0o1777)
    assert strangers_hand(str(file), OWN) is None
    assert strangers_hand(str(file.parent), OWN) is None
    assert strangers_hand(str(file.parent), OWN, is_shared=False) == f"{file.parent} may be written by everybody"


def test_a_link_counts_with_every_folder_that_it_leads_through(file: Path, tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open/file").symlink_to(file)
    (tmp_path / "second").symlink_to("open/../open/file")
    assert strangers_hand(str(tmp_path / "second"), OWN) is None

    (tmp_path / "open").chmod(0o777)
    assert strangers_hand(str(tmp_path / "second"), OWN) == f"{tmp_path}/open may be written by everybody"


def test_links_that_go_round_end(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match="leads through more than 40 links"):
        strangers_hand(str(tmp_path / "a"), OWN)


def test_only_root_by_sudo_also_trusts_who_called_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert trusted_users({"SUDO_UID": "1001"}) == {0, 1000}
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert trusted_users({"SUDO_UID": "1001"}) == {0, 1001}
    for nonsense in ("", "-1", "x", "²"):
        assert trusted_users({"SUDO_UID": nonsense}) == {0}


@needs_second_user
def test_a_stranger_who_owns_the_file_or_a_folder_on_the_way_is_named(file: Path) -> None:
    os.chown(file, STRANGER, -1)
    assert strangers_hand(str(file), OWN) == f"{file} belongs to user {STRANGER}"
    assert strangers_hand(str(file), OWN | {STRANGER}) is None
    os.chown(file, 0, -1)
    os.chown(file.parent, STRANGER, -1)
    assert strangers_hand(str(file), OWN) == f"{file.parent} belongs to user {STRANGER}"


@needs_second_user
def test_a_link_of_a_stranger_in_a_sticky_folder_is_named(file: Path) -> None:
    link = file.parent / "link"
    link.symlink_to(file)
    file.parent.chmod(0o1777)
    os.lchown(link, STRANGER, STRANGER)
    assert strangers_hand(str(link), OWN) == f"{link} belongs to user {STRANGER}"


@needs_second_user
def test_a_group_may_write_only_if_it_is_the_users_own(file: Path) -> None:
    file.chmod(0o664)
    os.chown(file, -1, 0)
    assert strangers_hand(str(file), OWN) is None
    os.chown(file, -1, STRANGER)
    assert strangers_hand(str(file), OWN) == f"{file} may be written by group {STRANGER}"
    assert strangers_hand(str(file), OWN | {STRANGER}) is None, "a user that no list has: the group of the same number"
