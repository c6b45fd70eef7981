"""What a hostile author, or whoever may write in a source's folder, can make the content jobs do: nothing but fail alone."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from support.application import App, an_app
from systemprompt.builtin.content import content_files
from systemprompt.builtin.content.content_files import LeadsOutside, SourceFolder
from systemprompt.builtin.content.content_ingestion import ContentIngestion
from systemprompt.builtin.content.drawing import ActiveDrawing, check_drawing
from systemprompt.builtin.content.file_ingestion import FileIngestion
from systemprompt.builtin.content.pattern import pattern_of
from systemprompt.builtin.content.publish_content import PublishContent
from systemprompt.jobs.context import CancelSignal, JobCancelled
from systemprompt.jobs.settings import ContentSource, FileSource


@pytest.fixture
def app(tmp_path: Path, postgres_or_none: str | None) -> Iterator[App]:
    (tmp_path / "app").mkdir()
    with an_app(tmp_path / "app", postgres_or_none) as app:
        app.write("docs/a.md", "# A")
        yield app


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file outside every source."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret.md").write_text("# Hunter2\n")
    (tmp_path / "outside/secret.png").write_text("hunter2")
    return tmp_path / "outside"


def published(app: App) -> dict[str, str]:
    root = app.folder / "site"
    return {
        file.relative_to(root).as_posix(): file.read_text()
        for file in root.rglob("*")
        if file.is_file() and ".systemprompt" not in file.parts
    }


def following(is_following: bool) -> dict[str, object]:
    return {
        "content_sources": (ContentSource(name="docs", path="docs", follow_links=is_following),),
        "file_sources": (FileSource(name="docs", path="docs", follow_links=is_following),),
    }


# -- links that lead outside --------------------------------------------------------------------------------------------


def test_nothing_outside_the_source_is_published_unless_it_follows_links(app: App, secret: Path) -> None:
    (app.folder / "docs/x.md").symlink_to(secret / "secret.md")
    (app.folder / "docs/environ.md").symlink_to("/proc/self/environ")
    (app.folder / "docs/below").symlink_to(secret)
    (app.folder / "docs/pic.png").symlink_to(secret / "secret.png")
    (app.folder / "docs/here.md").symlink_to("a.md")
    app.write("docs/b.md", "# B\n\n![p](pic.png) ![q](below/secret.png) ![r](../../outside/secret.png)")

    result = app.run(ContentIngestion, settings=following(False))
    app.run(PublishContent, settings=following(False))

    told = "a link that leads outside the source; `follow_links: true` of the source allows that"
    assert result.items_failed == 3
    for place in ("docs/x.md:1", "docs/environ.md:1", "docs/below"):
        assert f"{place}: {told}" in (result.message or "")
    assert not [name for name, text in published(app).items() if "hunter2" in text.lower()]
    assert {"docs/a.html", "docs/b.html", "docs/here.html"} <= set(published(app)), "links inside are followed"

    (app.folder / "docs/environ.md").unlink()
    assert app.run(ContentIngestion, settings=following(True)).items_failed == 0
    app.run(PublishContent, settings=following(True))
    shown = {name for name, text in published(app).items() if "hunter2" in text.lower()}
    assert {"docs/x.html", "docs/below/secret.html", "docs/pic.png", "docs/below/secret.png"} <= shown


def test_no_file_outside_the_source_is_recorded_unless_it_follows_links(app: App, secret: Path) -> None:
    (app.folder / "docs/x").symlink_to(secret / "secret.md")

    result = app.run(FileIngestion, settings=following(False))
    assert "docs/x: a link that leads outside the source" in (result.message or "")
    assert [row["path"] for row in app.db.fetch("SELECT path FROM files")] == ["a.md"]

    assert app.run(FileIngestion, settings=following(True)).items_failed == 0
    assert [row["path"] for row in app.db.fetch("SELECT path FROM files ORDER BY path")] == ["a.md", "x"]


def test_what_links_led_to_goes_away_when_the_source_follows_them_no_longer(app: App, secret: Path) -> None:
    (app.folder / "docs/x.md").symlink_to(secret / "secret.md")
    (app.folder / "docs/below").symlink_to(secret)
    for is_following in (True, False):
        for kind in (ContentIngestion, FileIngestion, PublishContent):
            app.run(kind, settings=following(is_following))
        shown = [name for name, text in published(app).items() if "hunter2" in text.lower()]
        assert bool(shown) == is_following, shown

    there = "SELECT path FROM files WHERE removed_at IS NULL"
    assert [row["path"] for row in app.db.fetch(there)] == ["a.md"]


def test_a_file_that_becomes_a_link_to_the_outside_is_gone_and_reported(app: App, secret: Path) -> None:
    app.write("docs/x.md", "# Mine")
    app.run(ContentIngestion, settings=following(False))
    (app.folder / "docs/x.md").unlink()
    (app.folder / "docs/x.md").symlink_to(secret / "secret.md")

    result = app.run(ContentIngestion, settings=following(False))
    app.run(PublishContent, settings=following(False))

    assert "docs/x.md:1: a link that leads outside the source" in (result.message or "")
    assert "docs/x.html" not in published(app)


def test_a_folder_that_becomes_a_link_after_it_was_checked_leads_nowhere(
    app: App, secret: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app.write("docs/sub/secret.md", "# Mine")
    (app.folder / "docs/link").symlink_to("sub")
    checked = SourceFolder._inside

    def swap_after_check(self: SourceFolder, path: str) -> list[str] | None:
        found = checked(self, path)
        (app.folder / "docs/sub").rename(app.folder / "docs/aside")
        (app.folder / "docs/sub").symlink_to(secret)
        return found

    monkeypatch.setattr(content_files.SourceFolder, "_inside", swap_after_check)

    with pytest.raises(NotADirectoryError):
        SourceFolder(str(app.folder / "docs")).open_file("link/secret.md")
    monkeypatch.undo()
    with pytest.raises(LeadsOutside):
        SourceFolder(str(app.folder / "docs")).open_file("link/secret.md")


def test_a_pipe_under_an_assets_name_holds_nobody_up(app: App) -> None:
    app.write("docs/a.md", "# A\n\n![p](p.png) ![q](q.png)")
    app.write("docs/q.png", b"q")
    os.mkfifo(app.folder / "docs/p.png")
    app.run(ContentIngestion)

    result = app.run(PublishContent)

    assert "docs/a.md: docs/p.png: " in (result.message or "")
    assert "is not a regular file" in (result.message or "")
    assert 'src="q.png"' in published(app)["docs/a.html"]
    assert "p.png" not in published(app)["docs/a.html"]


# -- drawings -----------------------------------------------------------------------------------------------------------

SVG = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'


@pytest.mark.parametrize(
    "text",
    [
        f"<svg {SVG}><style>a {{}}</style><path d='M0 0'/><text>x</text><a href='https://e.org/a?b=c'>y</a></svg>",
        f"<?xml version='1.0'?><!-- c --><svg {SVG}><image xlink:href='data:image/png;base64,AAAA'/></svg>",
        f"<svg {SVG} aria-label='data: 5; see javascript: notes'><animate attributeName='x' values='1;2'/></svg>",
        f"<!DOCTYPE svg PUBLIC '-//W3C//DTD SVG 1.1//EN' 'http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd'><svg {SVG}/>",
        f"<svg {SVG}><metadata><r:RDF xmlns:r='http://www.w3.org/1999/02/22-rdf-syntax-ns#'/></metadata></svg>",
    ],
)
def test_a_drawing_of_shapes_and_text_may_be_published(text: str) -> None:
    check_drawing(text.encode())


@pytest.mark.parametrize(
    "text",
    [
        f"<svg {SVG}><script>alert(1)</script></svg>",
        "<s:SCRIPT xmlns:s='http://www.w3.org/2000/svg'/>",
        f"<svg {SVG} onload='alert(1)'/>",
        f"<svg {SVG}><a href='java\tscript:alert(1)'/></svg>",
        f"<svg {SVG}><a xlink:href=' &#x6a;avascript:alert(1)'/></svg>",
        f"<svg {SVG}><set attributeName='onload' to='alert(1)'/></svg>",
        f"<svg {SVG}><animate attributeName='xlink:href' values='#a;#b'/></svg>",
        f"<svg {SVG}><use href='data:image/svg+xml;base64,AAAA'/></svg>",
        f"<svg {SVG}><foreignObject/></svg>",
        f"<svg {SVG}><h:img xmlns:h='http://www.w3.org/1999/xhtml'/></svg>",
        f"<!DOCTYPE svg [<!ENTITY x '<script/>'>]><svg {SVG}>&x;</svg>",
        "<?xml-stylesheet href='a.xsl' type='text/xsl'?><svg/>",
        "<?xml version='1.0' encoding='utf-7'?><svg/>",
        "<svg",
        "",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_drawing_that_may_run_something_is_refused(text: str, encoding: str) -> None:
    with pytest.raises(ActiveDrawing):
        check_drawing(text.encode(encoding))


def test_a_drawing_with_a_script_is_not_published_and_its_page_is(app: App) -> None:
    app.write("docs/a.md", "# A\n\n![bad](bad.svg) ![good](good.svg)")
    app.write("docs/bad.svg", f"<svg {SVG}><script>alert(1)</script></svg>")
    app.write("docs/good.svg", f"<svg {SVG}/>")
    app.run(ContentIngestion)

    result = app.run(PublishContent)

    assert "docs/a.md: docs/bad.svg: line 1: <script>; a drawing that is published holds shapes and text only" in (
        result.message or ""
    )
    assert "docs/good.svg" in published(app)
    assert "docs/bad.svg" not in published(app)
    assert "bad.svg" not in published(app)["docs/a.html"]


# -- tags ---------------------------------------------------------------------------------------------------------------


def tagged(count: int) -> str:
    return "---\ntags: [" + ", ".join(f"t{number}" for number in range(count)) + "]\n---\n# A\n"


def test_a_page_has_a_bounded_number_of_tags_of_a_bounded_length(app: App) -> None:
    app.write("docs/a.md", tagged(100))
    app.write("docs/many.md", tagged(101))
    app.write("docs/long.md", f"---\ntags: [{'x' * 101}]\n---\n")

    result = app.run(ContentIngestion)

    assert "docs/many.md:2: tags: 101 tags are more than the limit of 100" in (result.message or "")
    assert f"docs/long.md:2: tags: '{'x' * 20}'... has 101 characters" in (result.message or "")
    assert result.items_processed == 1


def test_what_tags_cost_grows_with_their_number_and_not_with_its_square(app: App) -> None:
    sizes = []
    for count in (50, 100):
        app.write("docs/a.md", tagged(count))
        app.run(ContentIngestion)
        app.run(PublishContent)
        sizes.append(sum(len(text) for name, text in published(app).items() if name.startswith("tags/")))

    assert sizes[1] < sizes[0] * 2.1


def test_a_publisher_hears_that_it_is_cancelled_between_two_lists(app: App) -> None:
    app.write("docs/a.md", tagged(100))
    app.run(ContentIngestion)
    cancel = CancelSignal()
    context = app.context(cancel=cancel)
    asked = context.raise_if_cancelled
    put: list[int] = []

    def cancelled_at_the_third_tag() -> None:
        put.append(len(list((app.folder / "site/tags").glob("*"))) if (app.folder / "site/tags").exists() else 0)
        if put[-1] >= 3:
            cancel.set("draining")
        asked()

    context.raise_if_cancelled = cancelled_at_the_third_tag  # type: ignore[method-assign]

    with pytest.raises(JobCancelled):
        app.run(PublishContent, context)
    assert put[-1] == 3


# -- patterns -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("**/" * 30 + "x.md", "/".join("ab" * 30)),
        ("**/a" * 30 + "/x.md", "/".join("a" * 200)),
        ("*a" * 100 + "b", "a" * 4_000),
        ("**a" * 100 + "b", "a/" * 2_000),
    ],
)
def test_no_pattern_makes_the_matcher_try_again_and_again(pattern: str, path: str) -> None:
    assert not pattern_of(pattern).matches(path)


def test_the_matcher_agrees_with_a_regular_expression() -> None:
    as_expression = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    draw = Random(1)
    found = 0
    for _ in range(5_000):
        signs = draw.choices(["**/", "*", "?", "a", "b", "/"], k=draw.randrange(7))
        path = "/".join("".join(draw.choices("ab", k=draw.randrange(1, 4))) for _ in range(draw.randrange(1, 4)))
        pieces = re.findall(r"\*\*/|\*\*|.", "".join(signs))
        expected = bool(re.fullmatch("".join(as_expression.get(piece, piece) for piece in pieces), path))
        assert pattern_of("".join(signs)).matches(path) == expected, (signs, path)
        found += expected
    assert found > 300


@pytest.mark.parametrize(
    ("pattern", "taken", "left"),
    [("[a-c]x", "bx", "dx"), ("[!a-c]x", "dx", "bx"), ("x[", "x[", "x"), ("[!]", "!", "a")],
)
def test_classes_in_a_pattern(pattern: str, taken: str, left: str) -> None:
    """A bracket that is never closed stands for itself, and a range that is turned round holds nothing."""
    assert pattern_of(pattern).matches(taken)
    assert not pattern_of(pattern).matches(left)
    assert not pattern_of("[z-a]").matches("m")
