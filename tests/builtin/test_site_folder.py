"""The folder of a site where others may write: what they put there leads the publisher nowhere else."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.second_user import STRANGER, as_user, needs_second_user, shared_folder
from systemprompt.builtin.content.site_folder import ForeignFile, SiteFolder
from systemprompt.errors import ConflictError


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "site").mkdir()
    return tmp_path / "site"


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A folder outside the site, with a file that has to survive."""
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim/precious.txt").write_text("precious")
    return tmp_path / "victim"


def publish(site: Path, pages: dict[str, bytes]) -> SiteFolder:
    with SiteFolder(str(site)) as folder:
        folder.announce(set(pages))
        for address, data in pages.items():
            folder.put(address, data)
        folder.finish()
    return folder


def unharmed(victim: Path) -> bool:
    return {file.name: file.read_text() for file in victim.iterdir()} == {"precious.txt": "precious"}


@pytest.mark.parametrize("name", [".systemprompt", ".systemprompt/tmp"])
def test_a_private_folder_that_is_a_link_is_refused(site: Path, victim: Path, name: str) -> None:
    publish(site, {"a.html": b"a"})
    (site / name).rename(site / "aside")
    (site / name).symlink_to(victim)

    with pytest.raises(ConflictError, match="is a link; nothing was published"):
        publish(site, {"a.html": b"other"})

    assert unharmed(victim)
    assert (site / "a.html").read_bytes() == b"a"


@pytest.mark.parametrize("name", ["lock", "manifest.json"])
def test_a_private_file_that_is_a_link_or_a_pipe_is_refused(site: Path, victim: Path, name: str) -> None:
    publish(site, {"a.html": b"a"})
    file = site / ".systemprompt" / name
    for is_link in (True, False):
        file.unlink()
        if is_link:
            file.symlink_to(victim / "precious.txt")
        else:
            os.mkfifo(file)
        with pytest.raises(ConflictError, match=f"{name} (cannot be opened as a file|is not a regular file)"):
            publish(site, {"a.html": b"other"})
    assert unharmed(victim)


def test_a_page_is_never_written_through_a_link(site: Path, victim: Path) -> None:
    publish(site, {"page.html": b"ours", "out/page.html": b"ours"})
    (site / "page.html").unlink()
    (site / "page.html").symlink_to(victim / "precious.txt")
    (site / "out/page.html").unlink()
    (site / "out").rmdir()
    (site / "out").symlink_to(victim)

    with SiteFolder(str(site)) as folder:
        for address, link in (("page.html", "page.html"), ("out/page.html", "out"), ("out/deep/page.html", "out")):
            with pytest.raises(ForeignFile, match=f"/{link} is a link and was not written"):
                folder.put(address, b"changed")
        folder.finish()

    assert unharmed(victim)
    assert (site / "page.html").is_symlink()
    assert (site / "out").is_symlink()


def test_a_manifest_leads_through_no_link(site: Path, victim: Path) -> None:
    publish(site, {"a.html": b"a"})
    (site / "out").symlink_to(victim)
    (site / ".systemprompt/manifest.json").write_text(json.dumps({"files": ["out/precious.txt", "a.html"]}))

    assert publish(site, {"a.html": b"a"}).removed == 0

    assert unharmed(victim)
    assert json.loads((site / ".systemprompt/manifest.json").read_text()) == {"files": ["a.html"]}


def test_a_pipe_where_a_page_goes_holds_nobody_up(site: Path) -> None:
    publish(site, {"empty.txt": b"", "other.txt": b""})
    for name in ("empty.txt", "other.txt"):
        (site / name).unlink()
        os.mkfifo(site / name)

    with SiteFolder(str(site)) as folder:
        with pytest.raises(ForeignFile, match=r"empty\.txt exists"):
            folder.put("empty.txt", b"")
        folder.finish()

    assert (site / "other.txt").is_fifo(), "it is no file of ours"


def test_what_we_keep_for_ourselves_is_for_this_user_alone_and_pages_are_for_all(site: Path) -> None:
    publish(site, {"a.html": b"a"})
    modes = {path.name: path.stat().st_mode & 0o777 for path in (site / ".systemprompt").rglob("*")}

    assert modes == {"lock": 0o600, "manifest.json": 0o600, "tmp": 0o700}
    assert (site / ".systemprompt").stat().st_mode & 0o777 == 0o700
    assert (site / "a.html").stat().st_mode & 0o044 == 0o044 & ~umask()


def umask() -> int:
    now = os.umask(0o077)
    os.umask(now)
    return now


def test_a_lock_that_others_could_read_is_closed_to_them(site: Path) -> None:
    publish(site, {})
    (site / ".systemprompt/lock").chmod(0o644)
    (site / ".systemprompt").chmod(0o755)

    publish(site, {})

    assert (site / ".systemprompt/lock").stat().st_mode & 0o777 == 0o600
    assert (site / ".systemprompt").stat().st_mode & 0o777 == 0o700


def test_a_private_folder_that_others_may_write_is_refused(site: Path) -> None:
    publish(site, {})
    (site / ".systemprompt/tmp").chmod(0o777)

    with pytest.raises(ConflictError, match=r"\.systemprompt/tmp may be written by others; nothing was published"):
        publish(site, {})


@pytest.fixture
def open_site() -> Iterator[Path]:
    """A site in which everybody may write."""
    with shared_folder() as folder:
        (folder / "site").mkdir()
        (folder / "site").chmod(0o777)
        yield folder / "site"


@needs_second_user
def test_a_private_folder_of_another_user_is_refused(open_site: Path) -> None:
    as_user(lambda: os.makedirs(open_site / ".systemprompt/tmp"))

    with pytest.raises(ConflictError, match=rf"\.systemprompt belongs to user {STRANGER}; nothing was published"):
        publish(open_site, {"a.html": b"a"})


@needs_second_user
def test_another_user_cannot_hold_the_lock(open_site: Path) -> None:
    publish(open_site, {"a.html": b"a"})

    def hold() -> None:
        with open(open_site / ".systemprompt/lock", "rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)

    with pytest.raises(PermissionError):
        as_user(hold)


@needs_second_user
def test_a_stranger_who_swaps_our_private_folder_gains_nothing(open_site: Path, tmp_path: Path) -> None:
    """Between two steps of a publisher, as between two of its runs: what is open stays what was checked."""
    with SiteFolder(str(open_site)) as folder:
        folder.put("a.html", b"first")

        def swap() -> None:
            (open_site / ".systemprompt").rename(open_site / "aside")
            (open_site / ".systemprompt").symlink_to(tmp_path)

        as_user(swap)
        folder.put("b.html", b"second")
        folder.finish()

    assert list(tmp_path.iterdir()) == []
    assert (open_site / "b.html").read_bytes() == b"second"
    with pytest.raises(ConflictError, match="is a link"):
        publish(open_site, {})
