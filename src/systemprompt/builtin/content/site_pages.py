"""Make the pages of a site from content. The same content makes the same bytes: nothing says when it was built."""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any
from urllib.parse import quote, unquote, urlsplit
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup, escape

from systemprompt.builtin.content.content_files import SourceFolder
from systemprompt.builtin.content.site_assets import Asset, Assets, UnfitAsset
from systemprompt.clock import Instant, iso, to_datetime
from systemprompt.jobs.settings import PublishTarget

__all__ = ["Page", "RenderedPage", "Site"]

_TEMPLATES = os.path.join(os.path.dirname(__file__), "templates")
_FEED_ENTRIES = 50
_LISTED_TAGS = 8
"""How many tags of a page a list shows. A page with k tags stands in k lists of its own: all in each would be k times k links."""

_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One piece of content that is to be published, without its text.

    published_at   what the front matter says
    changed_at     when its content last changed: the front matter's word, else when it was taken in
    """

    content_id: int
    source: str
    path: str
    slug: str
    title: str
    description: str
    tags: tuple[str, ...]
    published_at: Instant | None
    changed_at: Instant

    @property
    def address(self) -> str:
        """Where it goes, relative to the site's folder."""
        return f"{_source_part(self.source)}/{self.slug}.html"


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedPage:
    """A page's bytes, the files it shows (address -> file), the links that lead nowhere, and why files may not be shown."""

    data: bytes
    assets: Mapping[str, Asset]
    missing: tuple[str, ...]
    refused: tuple[str, ...]


class Site:
    """A set of pages that know of each other.

    folders   source name -> its folder, for links between sources and for pictures
    on_step   called now and then while a page is made; what it raises ends the work
    """

    def __init__(
        self,
        target: PublishTarget,
        pages: Sequence[Page],
        *,
        folders: Mapping[str, SourceFolder],
        time_zone: str,
        on_step: Callable[[], None] = lambda: None,
    ) -> None:
        self.target = target
        self.assets = Assets(folders)
        self.folders = {name: os.path.realpath(folder.root) for name, folder in folders.items()}
        self._on_step = on_step
        self._zone = ZoneInfo(time_zone)
        self.pages = sorted(pages, key=lambda page: (-(page.published_at or 0), page.title.casefold(), page.address))
        self._by_path = {(page.source, page.path): page for page in pages}
        self._markdown = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
        self._templates = Environment(
            loader=FileSystemLoader(_TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        self._templates.filters["plain"] = lambda text: _NOT_IN_XML.sub("", text)
        self._templates.filters["day"] = lambda at: to_datetime(at).astimezone(self._zone).date().isoformat()
        self._templates.filters["instant"] = iso

    def page(self, page: Page, body: str) -> RenderedPage:
        """Render one page. Raw HTML in the text is shown, not obeyed."""
        env: dict[str, Any] = {}
        tokens = self._markdown.parse(body, env)
        links = _Links()
        for token in tokens:
            if token.type == "inline" and token.children:
                self._on_step()
                token.children = list(self._with_links(token.children, page, links))
        _name_headings(tokens)
        _wrap_tables(tokens)
        heading: Markup = escape(page.title)
        if tokens and tokens[0].type == "heading_open" and tokens[0].tag == "h1":
            inline = tokens[1]
            heading = self._html(inline.children or [], env, inline=True)
            tokens = tokens[3:]
        outline = [
            (token.attrs["id"], self._html(inline.children or [], env, inline=True).striptags())
            for token, inline in pairwise(tokens)
            if token.type == "heading_open" and token.tag == "h2"
        ]
        data = self._render(
            "page.html",
            page.address,
            page=page,
            heading=heading,
            body=self._html(tokens, env),
            outline=outline if len(outline) > 2 else [],
            tag_links=[(tag, self._relative(page.address, self.tag_address(tag))) for tag in page.tags],
        )
        return RenderedPage(
            data=data, assets=links.assets, missing=tuple(links.missing), refused=tuple(dict.fromkeys(links.refused))
        )

    @property
    def overview_addresses(self) -> set[str]:
        """Every address that `overviews` may yield."""
        return {
            *("style.css", "index.html", "tags/index.html", "feed.xml", "sitemap.xml"),
            *self._tag_addresses.values(),
        }

    def overviews(self, pages: Sequence[Page]) -> Iterator[tuple[str, bytes]]:
        """Yield (address, bytes) of everything that lists pages: index, tags, feed, sitemap, style. Each is made when asked for."""
        chosen = set(pages)
        listed = [page for page in self.pages if page in chosen]
        with open(os.path.join(_TEMPLATES, "style.css"), "rb") as file:
            yield "style.css", file.read()
        by_source: dict[str, list[Page]] = defaultdict(list)
        for page in listed:
            by_source[page.source].append(page)
        yield (
            "index.html",
            self._render("index.html", "index.html", groups=sorted(by_source.items()), **self._lister("index.html")),
        )
        by_tag: dict[str, list[Page]] = defaultdict(list)
        for page in listed:
            for key in dict.fromkeys(tag.casefold() for tag in page.tags):
                by_tag[key].append(page)
        tagged = {tag: by_tag[key] for key, tag in self._tags.items() if key in by_tag}
        counts = [
            (tag, self._relative("tags/index.html", self.tag_address(tag)), len(of_tag))
            for tag, of_tag in tagged.items()
        ]
        yield "tags/index.html", self._render("tags.html", "tags/index.html", tags=counts)
        for tag, of_tag in tagged.items():
            address = self.tag_address(tag)
            yield address, self._render("tag.html", address, tag=tag, pages=of_tag, **self._lister(address))
        recent = sorted(listed, key=lambda page: (-(page.published_at or page.changed_at), page.address))[
            :_FEED_ENTRIES
        ]
        updated = max((page.changed_at for page in recent), default=0)
        yield "feed.xml", self._render("feed.xml", "feed.xml", pages=recent, updated=updated)
        yield (
            "sitemap.xml",
            self._render("sitemap.xml", "sitemap.xml", pages=sorted(listed, key=lambda page: page.address)),
        )

    def tag_address(self, tag: str) -> str:
        return self._tag_addresses[tag.casefold()]

    @cached_property
    def _tags(self) -> dict[str, str]:
        """Tags in order, spellings that differ in case alone taken together under the first."""
        spellings = sorted({tag for page in self.pages for tag in page.tags}, key=lambda tag: (tag.casefold(), tag))
        tags: dict[str, str] = {}
        for tag in spellings:
            tags.setdefault(tag.casefold(), tag)
        return tags

    @cached_property
    def _tag_addresses(self) -> dict[str, str]:
        addresses: dict[str, str] = {}
        taken = {"index"}
        for key in self._tags:
            part = _slug_part(key.replace("+", "plus").replace("#", "sharp"))
            if not part or part in taken:
                part = f"{part}-{hashlib.sha256(key.encode()).hexdigest()[:8]}".lstrip("-")
            taken.add(part)
            addresses[key] = f"tags/{part}.html"
        return addresses

    def _lister(self, here: str) -> dict[str, Any]:
        return {
            "link_to": lambda page: self._relative(here, page.address),
            "tags_of": lambda page: [
                (tag, self._relative(here, self.tag_address(tag))) for tag in page.tags[:_LISTED_TAGS]
            ],
        }

    def _render(self, template: str, here: str, **values: Any) -> bytes:
        def to(address: str) -> str:
            return self._relative(here, address)

        base = self.target.base_url.rstrip("/")

        def absolute(address: str) -> str:
            return f"{base}/{quote('' if address == 'index.html' else address)}"

        text = self._templates.get_template(template).render(
            site=self.target, here=here, to=to, absolute=absolute, has_tags=bool(self._tags), **values
        )
        return text.encode()

    def _html(self, tokens: Sequence[Token], env: dict[str, Any], *, inline: bool = False) -> Markup:
        renderer, options = self._markdown.renderer, self._markdown.options
        make = renderer.renderInline if inline else renderer.render  # type: ignore[attr-defined]  # the protocol names only render
        return Markup(make(tokens, options, env))  # noqa: S704  # markdown-it has escaped it

    @staticmethod
    def _relative(here: str, there: str) -> str:
        return quote(posixpath.relpath(there, posixpath.dirname(here) or "."))

    def _with_links(self, tokens: Sequence[Token], page: Page, links: _Links) -> Iterator[Token]:
        """Point links between files at their pages. One that leads nowhere becomes plain text: no page has a dead link."""
        dead = False
        for token in tokens:
            if token.type == "link_open":
                href = self._resolved(str(token.attrGet("href") or ""), page, links)
                dead = href is None
                if href is None:
                    token.tag, token.attrs = "span", {"class": "missing"}
                else:
                    token.attrSet("href", href)
            elif token.type == "link_close" and dead:
                token.tag, dead = "span", False
            elif token.type == "image":
                src = self._resolved(str(token.attrGet("src") or ""), page, links)
                if src is None:
                    yield Token("text", "", 0, content=token.content)
                    continue
                token.attrSet("src", src)
                token.attrSet("loading", "lazy")
            yield token

    def _resolved(self, href: str, page: Page, links: _Links) -> str | None:
        """Return what a link should say in the page, or None where it leads nowhere."""
        try:
            parts = urlsplit(href)
        except ValueError:  # such as an unclosed [ in the host
            links.missing.append(href)
            return None
        if parts.scheme or parts.netloc or not parts.path or parts.path.startswith("/"):
            return href
        wanted = posixpath.normpath(posixpath.join(posixpath.dirname(page.path), unquote(parts.path)))
        fragment = f"#{parts.fragment}" if parts.fragment else ""
        for source, path in self._places(page.source, wanted):
            for candidate in (path, f"{path}.md", f"{path}/index.md", f"{path}/README.md", f"{path}/readme.md"):
                target = self._by_path.get((source, posixpath.normpath(candidate)))
                if target is not None:
                    return self._relative(page.address, target.address) + fragment
            try:
                asset = self.assets.find(source, path)
            except UnfitAsset as error:
                links.refused.append(f"{source}/{path}: {error}")
                return None
            if asset is not None:
                address = f"{_source_part(source)}/{path}"
                links.assets[address] = asset
                return self._relative(page.address, address) + fragment
        links.missing.append(unquote(href))
        return None

    def _places(self, source: str, path: str) -> Iterator[tuple[str, str]]:
        """Yield the places a path may mean: in its own source, or, where it leads out of that, in another one."""
        if not path.startswith("../"):
            yield source, path
        if source in self.folders:
            absolute = os.path.normpath(os.path.join(self.folders[source], path))
            for name, folder in self.folders.items():
                if name != source and absolute.startswith(folder + os.sep):
                    yield name, os.path.relpath(absolute, folder).replace(os.sep, "/")
                elif name != source and absolute == folder:
                    yield name, "."


@dataclass(slots=True)
class _Links:
    """What one page's links led to."""

    assets: dict[str, Asset] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def _slug_part(text: str) -> str:
    """Return text as one part of an address."""
    return re.sub(r"[^\w.]+", "-", text.casefold()).strip("-._")


def _source_part(source: str) -> str:
    return _slug_part(source) or "content"


def _name_headings(tokens: Sequence[Token]) -> None:
    """Give each heading the id that code hosts would give it, so that links to parts of a page work."""
    taken: dict[str, int] = {}
    for token, inline in pairwise(tokens):
        if token.type != "heading_open":
            continue
        words = "".join(child.content for child in inline.children or () if child.type in ("text", "code_inline"))
        name = re.sub(r"[^\w\- ]", "", words.casefold()).strip().replace(" ", "-") or "section"
        number = taken.get(name, 0)
        taken[name] = number + 1
        token.attrSet("id", f"{name}-{number}" if number else name)


def _wrap_tables(tokens: list[Token]) -> None:
    """Let a wide table scroll by itself, so that a small screen need not."""
    for index in range(len(tokens) - 1, -1, -1):
        if tokens[index].type == "table_open":
            tokens.insert(index, Token("div_open", "div", 1, attrs={"class": "table"}, block=True))
        elif tokens[index].type == "table_close":
            tokens.insert(index + 1, Token("div_close", "div", -1, block=True))
