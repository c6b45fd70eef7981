"""From `markdown_content` to a finished site."""

from __future__ import annotations

import fcntl
import os
import posixpath
import signal
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree as ET

import pytest

from support.application import DAY, App, an_app
from systemprompt.builtin.content.content_ingestion import ContentIngestion
from systemprompt.builtin.content.publish_content import PublishContent
from systemprompt.errors import ConflictError
from systemprompt.jobs.context import CancelSignal, JobCancelled
from systemprompt.jobs.result import JobResult
from systemprompt.jobs.settings import ContentSource, PublishTarget

TWO = {"content_sources": (ContentSource(name="docs", path="docs"), ContentSource(name="My Blog", path="blog"))}
ATOM = "{http://www.w3.org/2005/Atom}"
SITEMAP = "{http://www.sitemaps.org/schemas/sitemap/0.9}"


@pytest.fixture
def app(tmp_path: Path, postgres_or_none: str | None) -> Iterator[App]:
    with an_app(tmp_path, postgres_or_none) as app:
        app.write(
            "docs/index.md", "# Welcome\n\nSee [the guide](guides/start.md#second-part), [blog](../blog/first.md).\n"
        )
        app.write(
            "docs/guides/start.md",
            "---\ntags: [C++, C, Python]\ndescription: How to <start>\n---\n# Start & `go`\n\n## First part\n\nText[^1].\n\n"
            "## Second part\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```python\nprint('<&>')\n```\n\n## Third part\n\n"
            "[up](../index.md) [folder](..) [gone](nowhere.md) ![pic](img/a.png) ![no](img/none.png) "
            "[web](https://example.com/a.md) [here](#first-part) [src](../../secret.txt)\n\n"
            "<script>alert(1)</script> [bad](javascript:alert(1))\n",
        )
        app.write("docs/guides/img/a.png", b"\x89PNG not really")
        app.write("secret.txt", "secret")
        app.write(
            "blog/first.md", "---\ndate: 2026-01-10\ntags: [python, Ünïcode tag]\n---\n# First\n\nHello\x0b there.\n"
        )
        app.write("blog/second.md", "---\ndate: 2026-01-12\n---\n# Second\n\n[start](../docs/guides/start.md)\n")
        app.write("blog/tomorrow.md", "---\ndate: 2026-01-15\n---\n# Tomorrow\n")
        app.write("blog/draft.md", "---\ndraft: true\n---\n# Draft\n\n[first](first.md)")
        yield app


def publish(app: App) -> JobResult:
    assert app.run(ContentIngestion, settings=TWO).items_failed == 0
    return app.run(PublishContent, settings=TWO)


def site(app: App) -> dict[str, Path]:
    root = app.folder / "site"
    return {
        file.relative_to(root).as_posix(): file
        for file in root.rglob("*")
        if file.is_file() and ".systemprompt" not in file.parts
    }


class Links(HTMLParser):
    """The links, ids and open tags of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "link", "img", "br", "hr"):
            self.open.append(tag)
        for name, value in attrs:
            if name in ("href", "src") and value is not None:
                self.links.append(value)
            if name == "id" and value is not None:
                self.ids.append(value)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_site_is_whole_and_every_link_in_it_leads_somewhere(app: App) -> None:
    result = publish(app)

    files = site(app)
    assert (result.message, result.items_processed) == (
        "Published 4 pages (14 files written, 0 unchanged, 0 removed)",
        4,
    )
    assert {name for name in files if not name.startswith("tags/")} == {
        "index.html",
        "style.css",
        "feed.xml",
        "sitemap.xml",
        "docs/index.html",
        "docs/guides/start.html",
        "docs/guides/img/a.png",
        "my-blog/first.html",
        "my-blog/second.html",
    }
    pages = {name: Links(file.read_text()) for name, file in files.items() if name.endswith(".html")}
    for name, page in pages.items():
        assert page.open == [], name
        assert len(page.ids) == len(set(page.ids))
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme:
                continue
            target = (
                posixpath.normpath(posixpath.join(posixpath.dirname(name), unquote(parts.path))) if parts.path else name
            )
            assert target in files, f"{name} links to {link}"
            assert not parts.fragment or parts.fragment in pages[target].ids, f"{name} links to {link}"


def test_a_page_shows_its_text_and_obeys_no_html(app: App) -> None:
    publish(app)

    text = site(app)["docs/guides/start.html"].read_text()

    assert "<h1>Start &amp; <code>go</code></h1>" in text
    assert text.count("<h1") == 1
    assert '<meta name="description" content="How to &lt;start&gt;">' in text
    assert "<code class=\"language-python\">print('&lt;&amp;&gt;')" in text
    assert '<div class="table">' in text
    assert '<h2 id="second-part">' in text
    assert '<a href="#third-part">Third part</a>' in text
    assert '<span class="missing">gone</span>' in text
    assert '<span class="missing">src</span>' in text, "nothing outside the sources is published"
    assert 'src="img/a.png" alt="pic"' in text
    assert "&lt;script&gt;alert(1)" in text
    assert "<script" not in text
    assert 'href="javascript' not in text
    assert not any("secret" in name for name in site(app))


def test_links_that_lead_nowhere_are_logged_with_their_page(app: App, caplog: pytest.LogCaptureFixture) -> None:
    publish(app)

    assert "docs/guides/start.md: link to 'nowhere.md' leads nowhere" in caplog.messages


def test_feed_and_sitemap_are_sound_and_absolute(app: App) -> None:
    publish(app)

    feed = ET.parse(site(app)["feed.xml"]).getroot()
    entries = [entry.findtext(f"{ATOM}title") for entry in feed.findall(f"{ATOM}entry")]
    assert entries[-2:] == ["Second", "First"]
    assert len(entries) == 4
    assert feed.findtext(f"{ATOM}updated") == "2026-01-14T10:30:00Z"
    addresses = {loc.text for loc in ET.parse(site(app)["sitemap.xml"]).iter(f"{SITEMAP}loc")}
    assert addresses == {
        "https://example.org/",
        "https://example.org/docs/index.html",
        "https://example.org/docs/guides/start.html",
        "https://example.org/my-blog/first.html",
        "https://example.org/my-blog/second.html",
    }


def test_tags_that_look_alike_have_pages_of_their_own_and_case_does_not_count(app: App) -> None:
    publish(app)

    tags = {name for name in site(app) if name.startswith("tags/")}
    assert tags == {
        "tags/index.html",
        "tags/c.html",
        "tags/cplusplus.html",
        "tags/python.html",
        "tags/ünïcode-tag.html",
    }
    assert "First" in site(app)["tags/python.html"].read_text()
    assert "Start" in site(app)["tags/python.html"].read_text()


def test_drafts_and_what_is_dated_for_later_wait(app: App, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    publish(app)
    assert "2 held back: drafts, or dated later" in caplog.messages
    assert not {"my-blog/draft.html", "my-blog/tomorrow.html"} & set(site(app))

    app.clock.advance(DAY / 1e6)
    publish(app)
    assert "my-blog/tomorrow.html" in site(app)


def test_a_second_run_writes_nothing(app: App) -> None:
    publish(app)

    def state() -> dict[str, tuple[int, int]]:
        everything = [app.folder / "site", *(app.folder / "site").rglob("*")]
        return {str(path): (path.stat().st_mtime_ns, path.stat().st_ino) for path in everything}

    before = state()
    app.clock.advance(60)
    result = publish(app)

    assert result.message == "Published 4 pages (0 files written, 14 unchanged, 0 removed)"
    assert state() == before


def test_the_same_content_makes_the_same_bytes(app: App, tmp_path: Path) -> None:
    publish(app)
    first = {name: file.read_bytes() for name, file in site(app).items()}
    (app.folder / "site").rename(app.folder / "before")
    app.db.execute("DELETE FROM markdown_content")
    publish(app)

    assert {name: file.read_bytes() for name, file in site(app).items()} == first


def test_one_change_rewrites_only_what_shows_it(app: App) -> None:
    publish(app)
    inodes = {name: file.stat().st_ino for name, file in site(app).items()}
    app.write(
        "blog/second.md", "---\ndate: 2026-01-12\n---\n# Second\n\nOther words, [start](../docs/guides/start.md)\n"
    )

    publish(app)

    changed = {name for name, file in site(app).items() if inodes.get(name) != file.stat().st_ino}
    assert changed == {"my-blog/second.html", "index.html", "feed.xml"}


def test_pages_of_removed_content_go_and_files_of_others_stay(app: App) -> None:
    publish(app)
    app.write("site/docs/guides/mine.html", "mine")
    app.write("site/CNAME", "example.org")
    for name in ("docs/guides/start.md", "blog/first.md"):
        (app.folder / name).unlink()

    result = publish(app)

    assert result.message is not None
    assert "7 removed" in result.message, "two pages, a picture, four tags"
    left = set(site(app))
    assert {"docs/guides/mine.html", "CNAME"} <= left
    assert not {"docs/guides/start.html", "docs/guides/img/a.png", "my-blog/first.html", "tags/c.html"} & left
    assert not (app.folder / "site/docs/guides/img").exists()


def test_a_file_of_somebody_else_is_never_overwritten(app: App) -> None:
    app.write("site/index.html", "mine")

    result = publish(app)
    again = publish(app)

    assert "site/index.html exists and was not written by publish_content" in (result.message or "")
    assert (result.succeeded, result.items_failed, again.items_failed) == (True, 1, 1)
    assert (app.folder / "site/index.html").read_text() == "mine"


def test_without_its_manifest_a_site_is_taken_over_again(app: App) -> None:
    publish(app)
    (app.folder / "site/.systemprompt/manifest.json").unlink()

    assert publish(app).message == "Published 4 pages (0 files written, 14 unchanged, 0 removed)"
    (app.folder / "blog/first.md").unlink()
    publish(app)
    assert "my-blog/first.html" not in site(app)


def test_a_manifest_that_somebody_edited_leads_nowhere_else(app: App) -> None:
    publish(app)
    manifest = app.folder / "site/.systemprompt/manifest.json"
    manifest.write_text(manifest.read_text().replace('"index.html"', '"../secret.txt", "/etc/hostname", "index.html"'))

    publish(app)

    assert (app.folder / "secret.txt").exists()
    manifest.write_text("{")
    with pytest.raises(ConflictError, match=r"manifest\.json cannot be read"):
        publish(app)


KILLED_BEFORE_RENAME = """
import os, signal, sys
from systemprompt.builtin.content.site_folder import SiteFolder
real = os.replace
def replace(source, target, **folders):
    if sys.argv[2].endswith(target):
        os.kill(os.getpid(), signal.SIGKILL)
    real(source, target, **folders)
os.replace = replace
with SiteFolder(sys.argv[1]) as folder:
    folder.announce({"docs/index.html", "docs/new.html"})
    folder.put("docs/new.html", b"new")
    folder.put("docs/index.html", b"half of a new page")
    folder.finish()
"""


@pytest.mark.parametrize("killed_at", ["docs/index.html", "docs/new.html", "manifest.json"])
def test_a_crash_between_writing_and_renaming_leaves_the_old_page(app: App, killed_at: str) -> None:
    publish(app)
    before = {name: file.read_bytes() for name, file in site(app).items()}

    done = subprocess.run(
        [sys.executable, "-c", KILLED_BEFORE_RENAME, str(app.folder / "site"), killed_at], check=False
    )

    assert done.returncode == -signal.SIGKILL
    after = {name: file.read_bytes() for name, file in site(app).items()}
    assert {name: after[name] for name in before} == before
    result = publish(app)
    assert result.items_failed == 0
    assert {name: file.read_bytes() for name, file in site(app).items()} == before, (
        "what the crash left is ours to remove"
    )
    assert os.listdir(app.folder / "site/.systemprompt/tmp") == []


def test_a_cancelled_run_leaves_whole_pages_and_the_next_one_completes_them(app: App) -> None:
    app.run(ContentIngestion, settings=TWO)
    cancel = CancelSignal()

    def on_progress(done: int, total: int | None, note: str) -> None:
        if done == 2:
            cancel.set("draining")

    ctx = app.context(settings=TWO, cancel=cancel, on_progress=on_progress)
    with pytest.raises(JobCancelled):
        app.run(PublishContent, ctx)
    assert "index.html" not in site(app), "no list links to pages that are not there"

    assert publish(app).items_failed == 0
    assert len(site(app)) == 14


def test_a_second_publisher_is_refused(app: App) -> None:
    publish(app)
    with open(app.folder / "site/.systemprompt/lock", "rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ConflictError, match="another process is publishing"):
            publish(app)


def test_a_page_that_cannot_be_written_fails_alone(app: App) -> None:
    app.write(f"docs/{'x' * 40}.md", f"---\nslug: {'y' * 300}\n---\n# Long\n")

    result = publish(app)

    assert (result.succeeded, result.items_processed, result.items_failed) == (True, 4, 1)
    assert "File name too long" in (result.message or "")
    assert "Long" not in site(app)["index.html"].read_text()


def test_an_empty_site_is_a_site(app: App) -> None:
    result = app.run(PublishContent)

    assert result.message == "Published 0 pages (5 files written, 0 unchanged, 0 removed)"
    assert "Nothing is published yet" in site(app)["index.html"].read_text()
    assert ET.parse(site(app)["feed.xml"]).getroot().findtext(f"{ATOM}updated") == "1970-01-01T00:00:00Z"


def test_a_profile_without_a_target_publishes_nothing(app: App) -> None:
    result = app.run(PublishContent, settings={"publish": None})

    assert (result.succeeded, result.message) == (True, "Published nothing: the profile has no publish target")


def test_the_words_of_the_profile_are_escaped(app: App) -> None:
    target = PublishTarget(path="site", title="A & <B>", base_url='https://e.org/"x', author="<i>", description="'\"&")
    app.run(ContentIngestion, settings=TWO)
    app.run(PublishContent, settings={**TWO, "publish": target})

    assert "<i>" not in site(app)["docs/index.html"].read_text()
    assert ET.parse(site(app)["feed.xml"]).getroot().findtext(f"{ATOM}title") == "A & <B>"
