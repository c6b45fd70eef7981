"""The files that databases are made of, in folders where others may write, and on a machine where others may look."""

from __future__ import annotations

import fcntl
import grp
import os
import sqlite3
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from support.second_user import STRANGER, as_user, needs_second_user, shared_folder
from systemprompt.databases.sqlite import open_connection
from systemprompt.errors import ConfigurationError, ConflictError, DatabaseUnreachable
from systemprompt.ledger.sqlite import place
from systemprompt.profile.load import load_profile
from systemprompt.profile.profile import Profile
from systemprompt.system import application_upkeep, ledger_upkeep, open_system

NOW = 1_768_386_600_000_000


@pytest.fixture
def shared() -> Iterator[Path]:
    with shared_folder() as folder:
        yield folder


def installed(folder: Path, extra: str = "") -> Profile:
    (folder / "profile.yaml").write_text(f"database: sqlite:///data/app.db\nentry_points: false\n{extra}")
    (folder / "data").mkdir(exist_ok=True)
    environ = {"XDG_CACHE_HOME": str(folder / "cache")}
    with open_system(str(folder / "profile.yaml"), environ=environ) as system:
        _ = system.database
    return load_profile(str(folder / "profile.yaml"), environ)


def mode(path: Path | str) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


@pytest.fixture
def without_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def test_databases_and_what_lies_beside_them_are_for_this_user_alone(tmp_path: Path, without_umask: None) -> None:
    profile = installed(tmp_path)
    connections = [open_connection(path) for path in (profile.ledger.path, profile.database.path)]
    for connection in connections:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()

    found = {file.name: mode(file) for file in (tmp_path / "data").iterdir()}

    names = ("app.db", "app.ledger.db")
    assert found == {f"{name}{ending}": 0o600 for name in names for ending in ("", "-wal", "-shm")}
    for connection in connections:
        connection.close()


def test_a_folder_that_is_made_for_a_database_is_not_for_everybody_to_write(
    tmp_path: Path, without_umask: None
) -> None:
    (tmp_path / "profile.yaml").write_text("database: sqlite:///data/of/shop/app.db\nentry_points: false\n")
    with open_system(str(tmp_path / "profile.yaml"), environ={}) as system:
        _ = system.ledger

    for folder in ("data", "data/of", "data/of/shop"):
        assert mode(tmp_path / folder) & 0o002 == 0


def test_a_database_in_memory_makes_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    open_connection(":memory:").close()

    assert list(tmp_path.iterdir()) == []


@needs_second_user
def test_a_stranger_cannot_hold_up_the_writers_of_a_ledger(shared: Path) -> None:
    profile = installed(shared)
    with closing(open_connection(profile.ledger.path)) as connection:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        for ending in ("", "-wal", "-shm"):

            def hold(ending: str = ending) -> None:
                with open(profile.ledger.path + ending, "rb") as file:
                    fcntl.lockf(file, fcntl.LOCK_SH)

            with pytest.raises(PermissionError):
                as_user(hold)


# -- a group that may read ----------------------------------------------------------------------------------------------


@needs_second_user
def test_a_group_that_the_profile_names_may_read_and_nobody_else(shared: Path) -> None:
    group = grp.getgrnam("daemon")
    profile = installed(shared, "group: daemon\n")
    with closing(open_connection(profile.ledger.path)) as connection:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        for path in (profile.ledger.path, profile.ledger.path + "-shm", profile.database.path):
            assert (mode(path), os.stat(path).st_gid) == (0o640, group.gr_gid)

        def read() -> int:
            with closing(open_connection(profile.ledger.path, read_only=True)) as reading:
                found: int = reading.execute("SELECT count(*) FROM job_versions").fetchone()[0]
                return found

        assert as_user(read, gid=group.gr_gid) > 0
        with pytest.raises(DatabaseUnreachable):
            as_user(read)


@needs_second_user
def test_the_files_beside_a_database_have_its_group_whoever_of_its_users_opens_it(shared: Path) -> None:
    """SQLite gives them the group only as root; a user's own group would be let in, and the named one kept out."""
    group, path = STRANGER + 1, str(shared / "shared.db")
    shared.chmod(0o777)

    def make() -> None:
        with closing(open_connection(path)) as connection:
            connection.execute("CREATE TABLE t (x)")
        os.chmod(path, 0o640)

    as_user(make)
    os.chown(path, STRANGER, group)

    def beside() -> list[int]:
        with closing(open_connection(path)) as connection:
            connection.execute("SELECT * FROM t").fetchall()
            return [os.stat(path + ending).st_gid for ending in ("-wal", "-shm")]

    assert as_user(beside, groups=[group]) == [group, group]


def test_a_group_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="this machine has no group 'no-such-group'"):
        installed(tmp_path, "group: no-such-group\n")
    assert [file.name for file in (tmp_path / "data").iterdir()] == []


@needs_second_user
def test_a_group_that_the_user_is_not_in_is_named(shared: Path) -> None:
    shared.chmod(0o777)

    def install() -> None:
        installed(shared, "group: daemon\n")

    with pytest.raises(ConfigurationError, match="cannot be given to group 'daemon': this user is not in it"):
        as_user(install)


# -- only regular files are replaced ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["pipe", "link", "device"])
def test_only_a_regular_file_is_replaced_by_a_copy(tmp_path: Path, kind: str) -> None:
    profile = installed(tmp_path)
    target = tmp_path / "copy.db"
    if kind == "pipe":
        os.mkfifo(target)
    elif kind == "link":
        (tmp_path / "precious").write_text("precious")
        target.symlink_to(tmp_path / "precious")
    else:
        try:
            os.mknod(target, 0o600 | stat.S_IFCHR, os.makedev(1, 3))
        except OSError:
            pytest.skip("no device can be made here")
    before = os.lstat(target)

    for upkeep in (ledger_upkeep(profile), application_upkeep(profile)):
        with pytest.raises(ConflictError, match="is no regular file, and only such a one is replaced; nothing"):
            upkeep.backup(str(target), replace=True)

    assert os.lstat(target) == before


def test_what_became_a_device_while_the_copy_was_made_stays(tmp_path: Path) -> None:
    profile = installed(tmp_path)
    target = tmp_path / "copy.db"
    target.write_text("old")
    with ledger_upkeep(profile).backup(str(target), replace=True) as backup:
        backup.copy()
        target.unlink()
        os.mkfifo(target)
        with pytest.raises(ConflictError, match="is no regular file"):
            backup.publish()

    assert target.is_fifo()
    assert [file.name for file in tmp_path.iterdir() if ".part" in file.name] == []


def test_a_ledger_whose_name_is_a_link_is_not_replaced(tmp_path: Path) -> None:
    profile = installed(tmp_path)
    copy = str(tmp_path / "copy.db")
    with ledger_upkeep(profile).backup(copy) as backup:
        backup.copy()
        backup.publish()
    os.rename(profile.ledger.path, tmp_path / "elsewhere.db")
    os.symlink(tmp_path / "elsewhere.db", profile.ledger.path)

    with pytest.raises(ConflictError, match="is no regular file"):
        ledger_upkeep(profile).restore(copy, replace=True)


def test_a_pipe_in_the_place_of_a_copy_is_not_waited_for(tmp_path: Path) -> None:
    profile = installed(tmp_path)
    os.mkfifo(tmp_path / "copy.db")

    with pytest.raises(DatabaseUnreachable, match="is no regular file, and a database is one"):
        ledger_upkeep(profile).restore(str(tmp_path / "copy.db"), replace=True)


# -- root in a folder of another user -----------------------------------------------------------------------------------


@pytest.fixture
def of_service(shared: Path) -> Profile:
    """An installation whose data belongs to another user."""
    profile = installed(shared)
    for file in (shared / "data", *(shared / "data").iterdir()):
        os.chown(file, STRANGER, STRANGER)
    return profile


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    file = tmp_path / "root-alone"
    file.write_text("root's")
    file.chmod(0o600)
    return file


def swapping(folder: str, victim: Path) -> Callable[[], None]:
    """Return what the owner of a folder does: a link to somebody else's file takes the place of every unfinished one."""

    def swap() -> None:
        for name in os.listdir(folder):
            if not name.startswith("."):
                continue
            for ending in ("", "-wal", "-shm", "-journal"):
                with suppress(FileNotFoundError):
                    os.unlink(os.path.join(folder, name + ending))
                os.symlink(victim, os.path.join(folder, name + ending))

    return lambda: as_user(swap)


def unharmed(victim: Path) -> bool:
    seen = os.stat(victim)
    return (seen.st_uid, seen.st_gid, stat.S_IMODE(seen.st_mode)) == (0, 0, 0o600) and victim.read_text() == "root's"


@needs_second_user
def test_root_restores_into_a_folder_whose_owner_swaps_links_and_gives_nothing_else_away(
    of_service: Profile, victim: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger, folder = ledger_upkeep(of_service), os.path.dirname(of_service.ledger.path)
    source = str(victim.parent / "copy.db")
    with ledger.backup(source) as backup:
        backup.copy()
        backup.publish()
    swap = swapping(folder, victim)
    replace = os.replace

    def at_the_last_moment(one: str, other: str) -> None:
        swap()
        replace(one, other)

    with ledger.restore(source, replace=True) as restore:
        restore.copy()
        swap()
        restore.settle(NOW, logged=lambda _: 0, max_attempts=3)
        swap()
        restore.take_owner()
        swap()
        with monkeypatch.context() as patched:
            patched.setattr(os, "replace", at_the_last_moment)
            restore.publish(NOW)

    assert unharmed(victim)


@needs_second_user
def test_a_restore_by_root_gives_the_ledger_to_its_user_and_leaves_nothing_behind(
    of_service: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "private").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "private"))
    ledger = ledger_upkeep(of_service)
    source = str(tmp_path / "copy.db")
    with ledger.backup(source) as backup:
        backup.copy()
        backup.publish()
    os.chmod(of_service.ledger.path, 0o640)

    with ledger.restore(source, replace=True) as restore:
        restore.copy()
        assert len(os.listdir(tmp_path / "private")) == 1, "where the owner of the data folder has no hand"
        restore.settle(NOW, logged=lambda _: 0, max_attempts=3)
        restore.take_owner()
        kept = restore.publish(NOW)

    seen = os.stat(of_service.ledger.path)
    assert (seen.st_uid, seen.st_gid, stat.S_IMODE(seen.st_mode)) == (STRANGER, STRANGER, 0o640)
    assert kept is not None
    assert os.stat(kept).st_uid == STRANGER
    assert os.listdir(tmp_path / "private") == []
    assert [name for name in os.listdir(os.path.dirname(of_service.ledger.path)) if name.startswith(".")] == []


@needs_second_user
def test_root_makes_a_ledger_in_a_folder_whose_owner_swaps_links(
    shared: Path, victim: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (shared / "data").mkdir()
    os.chown(shared / "data", STRANGER, STRANGER)
    swap = swapping(str(shared / "data"), victim)
    flush = place.flush

    def swapped_at_each_flush(path: str) -> None:
        swap()
        flush(path)

    monkeypatch.setattr("systemprompt.ledger.sqlite.making.flush", swapped_at_each_flush)
    (shared / "data/.app.ledger.db.making").symlink_to(victim)

    profile = installed(shared)

    assert unharmed(victim)
    with closing(sqlite3.connect(profile.ledger.path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@needs_second_user
@pytest.mark.parametrize("name", ["app.db", "app.ledger.db"])
@pytest.mark.parametrize("is_there", [True, False])
def test_root_follows_no_link_of_another_user_to_a_database(
    shared: Path, tmp_path: Path, name: str, is_there: bool
) -> None:
    victim = tmp_path / "victim.db"
    if is_there:
        with closing(sqlite3.connect(victim)) as connection:
            connection.execute("CREATE TABLE precious (x)")
    before = victim.read_bytes() if is_there else None
    (shared / "data").mkdir()
    os.chown(shared / "data", STRANGER, STRANGER)
    as_user(lambda: os.symlink(victim, shared / "data" / name))

    with pytest.raises(DatabaseUnreachable, match=f"is a link that belongs to user {STRANGER}, and is not followed"):
        installed(shared)

    assert (victim.read_bytes() if victim.exists() else None) == before


@needs_second_user
def test_a_backup_into_a_sticky_folder_leads_nowhere_else(shared: Path, victim: Path) -> None:
    (shared / "private").mkdir()
    profile = installed(shared / "private")
    (shared / "tmp").mkdir()
    (shared / "tmp").chmod(0o1777)
    plant = swapping(str(shared / "tmp"), victim)
    with ledger_upkeep(profile).backup(str(shared / "tmp/copy.db")) as backup:
        with suppress(PermissionError):
            plant()
        backup.copy()
        with suppress(PermissionError):
            plant()
        backup.publish()

    assert unharmed(victim)
    assert mode(shared / "tmp/copy.db") == 0o600
