"""From a folder of markdown to `markdown_content`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.application import DAY, HOUR, NOW, App, an_app
from systemprompt.builtin.content.content_files import SourceFolder
from systemprompt.builtin.content.content_ingestion import ContentIngestion
from systemprompt.builtin.content.markdown_files import MAX_FILE_BYTES, BadDocument, Document, read_document
from systemprompt.clock import iso
from systemprompt.jobs.settings import ContentSource, Retention


@pytest.fixture
def app(tmp_path: Path, postgres_or_none: str | None) -> Iterator[App]:
    with an_app(tmp_path, postgres_or_none) as app:
        (tmp_path / "docs").mkdir()
        yield app


def rows(app: App) -> dict[str, Any]:
    return {row["path"]: row for row in app.db.fetch("SELECT * FROM markdown_content ORDER BY source, path")}


def live(app: App) -> dict[str, str]:
    return {path: row["slug"] for path, row in rows(app).items() if row["removed_at"] is None}


def read(text: str, path: str = "a/some-file.md", time_zone: str = "UTC") -> Document:
    return read_document(text.encode(), path, time_zone=time_zone)


def test_front_matter_and_text_become_a_row(app: App) -> None:
    app.write(
        "docs/guides/start.md",
        "---\ntitle: Starting\nslug: begin/here\ndate: 2026-01-14\nupdated: 2026-01-15T08:00:00+02:00\n"
        "tags: [one, Two, one]\ndraft: true\ncustom: {a: 1}\n---\n# Other\n\nFirst *words*\nof it.\n",
    )

    result = app.run(ContentIngestion)

    row = rows(app)["guides/start.md"]
    assert (result.message, result.items_processed, result.items_failed) == ("Ingested 1 file", 1, 0)
    assert (row["source"], row["slug"], row["title"], row["draft"]) == ("docs", "begin/here", "Starting", 1)
    assert row["description"] == "First words of it."
    assert row["published_at"] == 1_768_348_800_000_000
    assert row["updated_at"] == 1_768_456_800_000_000
    assert json.loads(row["tags"]) == ["one", "Two"]
    assert json.loads(row["front_matter"])["custom"] == {"a": 1}
    assert row["body"].startswith("# Other\n")
    assert row["ingested_at"] == NOW


def test_a_first_run_says_what_the_reference_says(app: App) -> None:
    for number in range(31):
        app.write(f"docs/{number}.md", f"# Page {number}\n")

    assert app.run(ContentIngestion).message == "Ingested 31 files"


def test_files_that_did_not_change_are_not_written_again(app: App) -> None:
    app.write("docs/a.md", "# A")
    app.write("docs/b.md", "# B")
    app.run(ContentIngestion)
    app.watch("markdown_content", "path")
    app.clock.advance(60)
    app.write("docs/b.md", "# B2")

    result = app.run(ContentIngestion)

    assert result.message == "Ingested 2 files (1 changed, 1 unchanged)"
    assert app.touched() == ["b.md"]
    assert (rows(app)["a.md"]["ingested_at"], rows(app)["b.md"]["ingested_at"]) == (NOW, NOW + 60_000_000)


def test_another_time_zone_reads_every_file_again_without_making_news(app: App) -> None:
    app.write("docs/a.md", "---\ndate: 2026-07-01\n---\n")
    app.run(ContentIngestion)
    app.clock.advance(60)

    app.run(ContentIngestion, settings={"time_zone": "Europe/Berlin"})

    row = rows(app)["a.md"]
    assert row["published_at"] == 1_782_864_000_000_000 - 2 * HOUR
    assert row["ingested_at"] == NOW


def test_removed_files_are_marked_and_later_purged_and_may_come_back(app: App) -> None:
    def ingest() -> str | None:
        return app.run(ContentIngestion, settings={"retention": Retention(content_removed_days=30)}).message

    for name in ("a", "b", "c"):
        app.write(f"docs/{name}.md", f"# {name}")
    ingest()
    (app.folder / "docs/a.md").unlink()
    (app.folder / "docs/b.md").unlink()

    assert ingest() == "Ingested 1 file (1 unchanged, 2 removed)"
    assert rows(app)["a.md"]["removed_at"] == NOW
    app.write("docs/b.md", "# b")
    assert ingest() == "Ingested 2 files (1 changed, 1 unchanged)"
    assert set(live(app)) == {"b.md", "c.md"}

    app.clock.advance(30 * DAY / 1e6)
    ingest()
    assert "a.md" in rows(app), "not before it is over"
    app.clock.advance(1)
    assert ingest() == "Ingested 2 files (2 unchanged, 1 purged)"
    assert "a.md" not in rows(app)


def test_a_folder_that_cannot_be_seen_says_nothing_about_its_files(app: App) -> None:
    app.write("docs/a.md", "# A")
    app.write("more/b.md", "# B")
    both = {"content_sources": (ContentSource(name="docs", path="docs"), ContentSource(name="more", path="more"))}
    app.run(ContentIngestion, settings=both)
    (app.folder / "docs").rename(app.folder / "unmounted")
    app.write("more/c.md", "# C")

    result = app.run(ContentIngestion, settings=both)

    assert not result.succeeded
    assert "docs: No such file or directory" in (result.message or "")
    assert set(live(app)) == {"a.md", "b.md", "c.md"}, "the others go on"


def test_a_source_that_the_profile_no_longer_has_is_removed(app: App) -> None:
    app.write("docs/a.md", "# A")
    app.write("more/b.md", "# B")
    app.run(ContentIngestion)
    app.run(ContentIngestion, settings={"content_sources": (ContentSource(name="more", path="more"),)})

    assert set(live(app)) == {"b.md"}


def test_without_sources_nothing_is_touched(app: App) -> None:
    app.write("docs/a.md", "# A")
    app.run(ContentIngestion)
    result = app.run(ContentIngestion, settings={"content_sources": ()})

    assert "no content sources" in (result.message or "")
    assert set(live(app)) == {"a.md"}


BOMB = "a: &a [x, x]\n" + "".join(f"b{n}: &b{n} [*a, *a]\n" for n in range(3))

BROKEN: list[tuple[str | bytes, int, str]] = [
    ("---\ntitle: [A\nb: c\n---\n", 3, "not YAML"),
    ("---\n\ntitle: 'A\n---\n", 3, "not YAML"),
    ("---\ntitle: A\ndate: 2026-02-31\n---\n", 3, "date: '2026-02-31': day is out of range"),
    ("---\ndate: next week\n---\n", 2, "date: 'next week' is not a date such as"),
    ("---\ntitle: x\ndate: 7\n---\n", 3, "date: 7 is not a date"),
    ("---\ndate: 0001-01-01T00:00:00+14:00\n---\n", 2, "date"),
    ("---\na: 1\ntags: {a: b}\n---\n", 3, "tags: a list of words was expected"),
    ("---\na: 1\nslug: ../../etc/passwd\n---\n", 3, "slug: '../../etc/passwd'"),
    ("---\nslug: a//b\n---\n", 2, "slug"),
    ("---\ntitle: [1]\n---\n", 2, "title: text was expected"),
    ("---\ndraft: maybe\n---\n", 2, "draft: 'maybe' is neither true nor false"),
    ("---\ntitle: a\ntitle: b\n---\n", 3, "'title' is given twice, first in line 2"),
    ("---\n- a\n- b\n---\n", 2, "front matter is a sequence"),
    ("---\n[a]: b\n---\n", 2, "a front matter name must be text"),
    ("---\ntitle: never closed\n\n# Text\n", 1, "never closed"),
    (f"---\n{BOMB}---\n", 3, "alias *a: aliases are not allowed"),
    ("---\na: " + "[" * 30 + "]" * 30 + "\n---\n", 2, "nests deeper than 20"),
    ("---\na: [" + "x," * 6000 + "]\n---\n", 2, "more than 5000 values"),
    ("---\na: " + "x" * 70_000 + "\n---\n", 1, "more than the limit of 65,536"),
    ("---\na: !!python/object/apply:os.system [ls]\n---\n", 2, "not YAML"),
    ("---\na: .nan\n---\n", 2, "not a finite number"),
    (b"fine\nand \xff\n", 2, "byte 0xff is not UTF-8"),
    (b"x" * (MAX_FILE_BYTES + 1), 1, "more than the limit of 4,194,304"),
]


@pytest.mark.parametrize(("text", "line", "says"), BROKEN, ids=[says for _, _, says in BROKEN])
def test_a_broken_file_says_which_line_and_what_is_wrong(text: str | bytes, line: int, says: str) -> None:
    with pytest.raises(BadDocument) as error:
        read_document(text if isinstance(text, bytes) else text.encode(), "a.md", time_zone="UTC")

    assert says in error.value.reason
    assert error.value.line == line


def test_a_broken_file_fails_alone_and_its_last_good_state_stays(app: App, caplog: pytest.LogCaptureFixture) -> None:
    app.write("docs/a.md", "# A")
    app.write("docs/b.md", "# B")
    app.run(ContentIngestion)
    app.write("docs/a.md", "---\nt: x\ndate: 2026-02-31\n---\n# A\n")

    result = app.run(ContentIngestion)

    problem = "docs/a.md:3: date: '2026-02-31': day is out of range for month"
    assert result.message == f"Ingested 1 file (1 unchanged); 1 failed: {problem}"
    assert (result.succeeded, result.items_processed, result.items_failed) == (True, 1, 1)
    assert problem in caplog.messages
    assert live(app) == {"a.md": "a", "b.md": "b"}


def test_when_every_file_fails_the_run_fails(app: App) -> None:
    for number in range(7):
        app.write(f"docs/{number}.md", b"\xff")

    result = app.run(ContentIngestion)

    assert (result.succeeded, result.items_failed) == (False, 7)
    assert "; and 2 more in the log" in (result.message or "")


def test_of_two_files_with_one_slug_the_one_that_has_it_keeps_it(app: App) -> None:
    app.write("docs/b.md", "---\nslug: same\n---\n")
    app.run(ContentIngestion)
    app.write("docs/a.md", "---\ntitle: x\nslug: Same\n---\n")

    result = app.run(ContentIngestion)

    assert result.items_failed == 1
    assert "docs/a.md:3: slug 'same' is taken by b.md" in (result.message or "")
    assert live(app) == {"b.md": "same"}


def test_a_file_that_cannot_move_keeps_its_slug_against_a_newcomer(app: App) -> None:
    for name in ("a", "b"):
        app.write(f"docs/{name}.md", "# x")
    app.run(ContentIngestion)
    app.write("docs/b.md", "---\nslug: a\n---\n")
    app.write("docs/c.md", "---\nslug: b\n---\n")

    assert app.run(ContentIngestion).items_failed == 2
    assert live(app) == {"a.md": "a", "b.md": "b"}


def test_two_files_may_swap_their_slugs(app: App) -> None:
    for name in ("a", "b"):
        app.write(f"docs/{name}.md", "# x")
    app.run(ContentIngestion)
    app.write("docs/a.md", "---\nslug: b\n---\n")
    app.write("docs/b.md", "---\nslug: a\n---\n")

    assert app.run(ContentIngestion).items_failed == 0
    assert live(app) == {"a.md": "b", "b.md": "a"}


def test_links_that_loop_pipes_and_dead_links_hold_nothing_up(app: App) -> None:
    app.write("docs/a.md", "# A")
    app.write("docs/deep/b.md", "# B")
    app.write("docs/.hidden/c.md", "# C")
    app.write("docs/deep/.d.md", "# D")
    os.symlink(app.folder / "docs", app.folder / "docs" / "deep" / "loop")
    os.symlink("deep", app.folder / "docs" / "also")
    os.symlink("nowhere", app.folder / "docs" / "dead.md")
    os.mkfifo(app.folder / "docs" / "pipe.md")

    result = app.run(ContentIngestion)

    assert set(live(app)) == {"a.md", "also/b.md"}
    assert result.items_failed == 2
    assert "docs/dead.md:1: No such file" in (result.message or "")
    assert "pipe.md is not a regular file" in (result.message or "")


def test_a_name_that_is_not_utf8_fails_alone(app: App) -> None:
    app.write("docs/a.md", "# A")
    with open(os.path.join(os.fsencode(app.folder), b"docs", b"caf\xe9.md"), "wb") as file:
        file.write(b"# C")

    result = app.run(ContentIngestion)

    assert r"docs/caf\xe9.md:1: the file's name is not UTF-8" in (result.message or "")
    assert result.items_processed == 1


def test_nul_becomes_the_replacement_character_as_in_commonmark(app: App) -> None:
    app.write("docs/a.md", b'---\ntitle: "a\\0b"\ntags: ["t\\0"]\nx: "\\0"\n---\nhi\0there\n')

    assert app.run(ContentIngestion).items_failed == 0

    row = rows(app)["a.md"]
    assert (row["title"], row["body"], row["description"]) == ("a\ufffdb", "hi\ufffdthere\n", "hi\ufffdthere")
    assert json.loads(row["tags"]) == ["t\ufffd"]
    assert json.loads(row["front_matter"])["x"] == "\0"


def test_dates_at_both_ends_of_the_calendar_are_kept(app: App) -> None:
    app.write("docs/a.md", "---\ndate: 0001-01-02\n---\n")
    app.write("docs/z.md", "---\ndate: 9999-12-30T00:00:00Z\n---\n")

    assert app.run(ContentIngestion).items_failed == 0

    assert {path: iso(row["published_at"])[:10] for path, row in rows(app).items()} == {
        "a.md": "0001-01-02",
        "z.md": "9999-12-30",
    }


def test_a_crash_between_batches_leaves_a_state_that_the_next_run_completes(app: App) -> None:
    for number in range(7):
        app.write(f"docs/{number}.md", f"# {number}")
    app.refuse("markdown_content", "path", "5.md")
    with pytest.raises(Exception, match="refused"):
        app.run(ContentIngestion, settings={"batch_size": 2})
    assert len(rows(app)) == 4
    app.allow("markdown_content")

    assert app.run(ContentIngestion).message == "Ingested 7 files (3 new, 4 unchanged)"


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("---\ntitle: Given\n---\n# Heading\n", "Given"),
        ("---\ntitle: 2026\n---\n", "2026"),
        ("Words.\n\n## A `heading` *here*\n", "A heading here"),
        ("```\n# no heading\n```\n\nReal one\n====\n", "Real one"),
        ("---\n\n---\n", "Some file"),
        ("---\n\nA thematic break, and words", "Some file"),
        ("", "Some file"),
    ],
)
def test_a_title_comes_from_front_matter_then_heading_then_name(text: str, title: str) -> None:
    assert read(text).title == title


@pytest.mark.parametrize(
    ("path", "slug"),
    [
        ("a.md", "a"),
        ("Guides/Getting Started!.md", "guides/getting-started"),
        ("guides/README.md", "guides/index"),
        ("v1.2/notes.md", "v1.2/notes"),
        ("Übersicht/日本語.md", "übersicht/日本語"),
    ],
)
def test_a_slug_comes_from_the_path(path: str, slug: str) -> None:
    assert read("", path).slug == slug


def test_dates_without_a_zone_are_read_in_the_installations(app: App) -> None:
    at = read("---\ndate: 2026-07-01 12:00:00\n---\n", time_zone="Europe/Berlin").published_at
    same = read("---\ndate: '2026-07-01T10:00:00Z'\n---\n", time_zone="Europe/Berlin").published_at

    assert at == same == 1_782_900_000_000_000


def test_line_ends_and_a_byte_order_mark_do_not_matter() -> None:
    document = read("\ufeff---\r\ntitle: T\r\ntags: a, b\r\n---\r\n# H\r\n")

    assert (document.title, document.tags) == ("T", ("a", "b"))


def test_a_pattern_chooses_files(tmp_path: Path) -> None:
    for name in ("a.md", "b.txt", "x/c.md", "x/y/d.md", "x/e.markdown"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    def found(pattern: str) -> list[str]:
        return list(SourceFolder(str(tmp_path)).walk(pattern, {}))

    assert found("**/*.md") == ["a.md", "x/c.md", "x/y/d.md"]
    assert found("*.md") == ["a.md"]
    assert found("x/**") == ["x/c.md", "x/e.markdown", "x/y/d.md"]
    assert found("**/[cd].md") == ["x/c.md", "x/y/d.md"]
    assert found("?.[!m]*") == ["b.txt"]
