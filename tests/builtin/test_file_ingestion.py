"""Folders of files, and what is kept of them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.application import DAY, NOW, App, an_app
from systemprompt.builtin.content.file_ingestion import FileIngestion
from systemprompt.jobs.context import CancelSignal, JobCancelled
from systemprompt.jobs.settings import FileSource, Retention

SECOND = 1_000_000
LONG_AGO = NOW // SECOND - 3600
SOURCES = (FileSource(name="up", path="up"),)


@pytest.fixture
def app(tmp_path: Path, postgres_or_none: str | None) -> Iterator[App]:
    with an_app(tmp_path, postgres_or_none) as app:
        (tmp_path / "up").mkdir()
        yield app


def put(app: App, path: str, text: str | bytes, at: float = LONG_AGO) -> Path:
    file = app.write(f"up/{path}", text)
    os.utime(file, (at, at))
    return file


def run(app: App, **given: Any) -> Any:
    settings = {"file_sources": SOURCES, **given.pop("settings", {})}
    return app.run(FileIngestion, settings=settings, **given)


def rows(app: App) -> dict[str, Any]:
    return {row["path"]: row for row in app.db.fetch("SELECT * FROM files ORDER BY source, path")}


def read_files(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Have the names of files that are read put into a list."""
    from systemprompt.builtin.content import file_ingestion

    opened: list[str] = []
    digest = file_ingestion._digest

    def note(ctx: Any, folder: Any, path: str) -> Any:
        opened.append(os.path.basename(path))
        return digest(ctx, folder, path)

    monkeypatch.setattr(file_ingestion, "_digest", note)
    return opened


def test_a_file_becomes_a_row_with_all_that_is_known_of_it(app: App) -> None:
    put(app, "a/report.pdf", b"%PDF content")
    put(app, "no-kind-that-is-known", b"")

    result = run(app)

    row = rows(app)["a/report.pdf"]
    assert (result.message, result.items_processed, result.items_failed) == ("Recorded 2 files", 2, 0)
    assert (row["source"], row["size_bytes"], row["media_type"]) == ("up", 12, "application/pdf")
    assert row["sha256"] == hashlib.sha256(b"%PDF content").hexdigest()
    assert (row["modified_at"], row["first_seen_at"], row["last_seen_at"]) == (LONG_AGO * SECOND, NOW, NOW)
    assert rows(app)["no-kind-that-is-known"]["media_type"] == "application/octet-stream"


def test_without_sources_nothing_is_looked_at(app: App) -> None:
    assert run(app, settings={"file_sources": ()}).message == "Recorded 0 files: the profile has no file sources"


def test_only_files_that_may_have_changed_are_read_again(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("same", "longer", "touched"):
        put(app, name, "text")
    run(app)
    before = rows(app)
    opened = read_files(monkeypatch)
    app.clock.advance(60)
    put(app, "longer", "text and more")
    put(app, "touched", "next", LONG_AGO + 1)

    result = run(app)

    assert result.message == "Recorded 3 files (2 changed, 1 unchanged)"
    assert opened == ["longer", "touched"]
    after = rows(app)
    assert after["same"] == {**before["same"], "last_seen_at": NOW + 60 * SECOND, "seen_in": after["same"]["seen_in"]}
    assert after["touched"]["sha256"] == hashlib.sha256(b"next").hexdigest()
    assert after["touched"]["first_seen_at"] == NOW


def test_a_change_that_keeps_size_and_modification_time_is_seen_by_the_change_time(app: App) -> None:
    put(app, "a", "one")
    run(app)
    put(app, "a", "two")

    assert run(app).message == "Recorded 1 file (1 changed)"
    assert rows(app)["a"]["sha256"] == hashlib.sha256(b"two").hexdigest()


def test_a_file_that_changed_shortly_before_it_was_read_is_read_once_more(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within one tick of the file system's clock a second change of the same size leaves no trace in its stamp."""
    file = put(app, "a", "one", NOW / SECOND)
    run(app)
    stamp = rows(app)["a"]["stamp"]
    file.write_text("two", encoding="utf-8")
    seen = os.stat(file)
    app.db.execute(
        "UPDATE files SET stamp = ?", (f"{seen.st_size} {round(NOW * 1000)} {seen.st_ctime_ns}",)
    )  # as if both writes had met in one tick
    os.utime(file, (NOW / SECOND, NOW / SECOND))
    app.db.execute(
        "UPDATE files SET stamp = ?",
        (f"{seen.st_size} {os.stat(file).st_mtime_ns} {os.stat(file).st_ctime_ns}",),
    )
    assert rows(app)["a"]["stamp"] != stamp, "the stamp on record is that of the second content"
    app.clock.advance(60)

    assert run(app).message == "Recorded 1 file (1 changed)"
    assert rows(app)["a"]["sha256"] == hashlib.sha256(b"two").hexdigest()
    opened = read_files(monkeypatch)
    assert run(app).message == "Recorded 1 file (1 unchanged)"
    assert opened == []


def test_what_is_gone_is_marked_purged_in_time_and_may_come_back(app: App) -> None:
    for name in ("a", "b", "c"):
        put(app, name, name)
    run(app)
    (app.folder / "up/a").unlink()
    (app.folder / "up/b").unlink()

    assert run(app).message == "Recorded 1 file (1 unchanged, 2 removed)"
    assert run(app).message == "Recorded 1 file (1 unchanged)", "not twice, though the clock stands still"
    assert rows(app)["a"]["removed_at"] == NOW
    put(app, "b", "b")
    assert run(app).message == "Recorded 2 files (1 changed, 1 unchanged)"
    assert rows(app)["b"]["removed_at"] is None
    app.clock.advance(30 * DAY / SECOND + 1)
    result = run(app, settings={"retention": Retention(content_removed_days=30)})
    assert result.message == "Recorded 2 files (2 unchanged, 1 purged)"


def test_files_of_a_source_that_left_the_profile_are_gone_too(app: App) -> None:
    put(app, "a", "a")
    run(app)

    other = FileSource(name="other", path="up")
    assert run(app, settings={"file_sources": (other,)}).message == "Recorded 1 file (1 new, 1 removed)"


def test_what_cannot_be_read_fails_alone_by_name_and_is_not_taken_for_gone(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("good", "locked"):
        put(app, name, "text")
    run(app)
    put(app, "locked", "other text")
    (app.folder / "up/dangling").symlink_to("nowhere")
    (app.folder / os.fsdecode(b"up/\xff.txt")).write_text("x", encoding="utf-8")
    opens = os.open

    def refuse(path: Any, *rest: Any, **more: Any) -> int:
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", path)
        return opens(path, *rest, **more)

    monkeypatch.setattr(os, "open", refuse)

    result = run(app)

    assert result.succeeded
    assert (result.items_processed, result.items_failed) == (1, 3)
    for said in (
        "3 failed: ",
        "up/\\xff.txt: the file's name is not UTF-8",
        "up/dangling: No such file or directory",
        "up/locked: Permission denied",
    ):
        assert said in (result.message or "")
    assert rows(app)["locked"]["removed_at"] is None


def test_a_folder_that_cannot_be_read_says_nothing_of_its_files(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    put(app, "sub/a", "a")
    put(app, "b", "b")
    run(app)
    opens = os.open

    def refuse(path: Any, *rest: Any, **more: Any) -> int:
        if str(path).endswith("sub"):
            raise PermissionError(13, "Permission denied", path)
        return opens(path, *rest, **more)

    monkeypatch.setattr(os, "open", refuse)
    assert run(app).message == "Recorded 1 file (1 unchanged); 1 failed: up/sub: Permission denied"
    assert rows(app)["sub/a"]["removed_at"] is None

    (app.folder / "up/b").unlink()
    monkeypatch.undo()
    (app.folder / "up").rename(app.folder / "elsewhere")
    lost = run(app)
    assert not lost.succeeded
    assert {row["removed_at"] for row in rows(app).values()} == {None}


def test_a_loop_of_links_ends_and_what_is_no_file_is_left_out(app: App) -> None:
    put(app, "sub/a", "a")
    (app.folder / "up/sub/loop").symlink_to("..")
    (app.folder / "up/link").symlink_to("sub/a")
    os.mkfifo(app.folder / "up/pipe")
    put(app, ".hidden", "no")

    assert run(app).message == "Recorded 2 files"
    assert set(rows(app)) == {"link", "sub/a"}


def test_memory_and_transactions_are_bounded_by_the_batch_and_a_cancelled_run_keeps_what_it_has(app: App) -> None:
    for number in range(10):
        put(app, f"f{number}", "x")
    cancel = CancelSignal()
    seen: list[int] = []

    def on_progress(done: int, total: int | None, note: str) -> None:
        seen.append(done)
        if done == 6:
            cancel.set("draining")

    with pytest.raises(JobCancelled):
        run(app, settings={"batch_size": 3}, cancel=cancel, on_progress=on_progress)
    assert seen == [3, 6]
    assert len(rows(app)) == 6

    assert run(app, settings={"batch_size": 3}).message == "Recorded 10 files (4 new, 6 unchanged)"


def test_a_pattern_chooses(app: App) -> None:
    put(app, "a.pdf", "a")
    put(app, "sub/b.pdf", "b")
    put(app, "c.txt", "c")

    run(app, settings={"file_sources": (FileSource(name="up", path="up", pattern="**/*.pdf"),)})

    assert set(rows(app)) == {"a.pdf", "sub/b.pdf"}
