"""Publishes a static site from `markdown_content`."""

from __future__ import annotations

import json

from systemprompt.builtin.content.account import account
from systemprompt.clock import Clock, Instant, SystemClock
from systemprompt.databases.dialect import dialect_named
from systemprompt.jobs.context import JobContext
from systemprompt.jobs.job import Job, submit_job
from systemprompt.jobs.result import JobResult
from systemprompt.wording import counted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from systemprompt.builtin.content.site_folder import SiteFolder
    from systemprompt.builtin.content.site_pages import Page, RenderedPage, Site
    from systemprompt.clock import Clock, Instant
    from systemprompt.jobs.context import JobContext

__all__ = ["PublishContent"]


@submit_job
class PublishContent(Job):
    """Writes pages, index, tags, feed and sitemap into `publish.path`, and only what changed.

    Drafts, removed content and content with a date to come are left out. A page never appears half-written; a page of removed
    content goes away; a file that this job did not write is never touched, and no link in the site is followed. A page that fails
    keeps its last good state.
    """

    name = "publish_content"
    description = "Publishes a static site from the ingested content"
    schedule = "0 30 * * * *"
    tags = ("content",)
    clock: Clock = SystemClock()

    def execute(self, ctx: JobContext) -> JobResult:
        target = ctx.settings.publish
        if target is None:
            return JobResult.success().with_message("Published nothing: the profile has no publish target")

        from systemprompt.builtin.content.content_files import SourceFolder
        from systemprompt.builtin.content.site_folder import SiteFolder
        from systemprompt.builtin.content.site_pages import Site

        problems: list[str] = []
        dialect = dialect_named(ctx.db_pool.dialect)
        waiting = ctx.db_pool.fetch_one(dialect.text(_WAITING), {"now": dialect.stored(self.clock.now())})
        if waiting is not None and waiting["rows"]:
            ctx.logger.info("%d held back: drafts, or dated later", waiting["rows"])
        pages = list(_pages(ctx, self.clock.now(), problems))
        folders = {
            source.name: SourceFolder(ctx.path(source.path), source.follow_links)
            for source in ctx.settings.content_sources
        }
        site = Site(target, pages, folders=folders, time_zone=ctx.settings.time_zone, on_step=ctx.raise_if_cancelled)
        with SiteFolder(ctx.path(target.path)) as folder:
            folder.announce({page.address for page in pages})
            published = _put_pages(ctx, site, folder, problems)
            # After the pages, so that no list links to a page that is not there yet.
            folder.announce(site.overview_addresses)
            for address, data in site.overviews(published):
                ctx.raise_if_cancelled()
                _put(folder, address, data, problems)
            ctx.raise_if_cancelled()
            folder.finish()
        return _result(ctx, published, folder, problems)


def _pages(ctx: JobContext, now: Instant, problems: list[str]) -> Iterator[Page]:
    from systemprompt.builtin.content.site_pages import Page

    addresses: dict[str, str] = {}
    dialect = dialect_named(ctx.db_pool.dialect)
    for row in ctx.db_pool.fetch(dialect.text(_TO_PUBLISH), {"now": dialect.stored(now)}):
        published_at = None if row["published_at"] is None else dialect.instant(row["published_at"])
        changed_at = row["updated_at"] or row["published_at"] or row["ingested_at"]
        page = Page(
            content_id=row["id"],
            source=row["source"],
            path=row["path"],
            slug=row["slug"],
            title=row["title"],
            description=row["description"],
            tags=tuple(json.loads(row["tags"])),
            published_at=published_at,
            changed_at=dialect.instant(changed_at),
        )
        holder = addresses.setdefault(page.address, f"{page.source}/{page.path}")
        if page.address.startswith("tags/"):
            problems.append(f"{page.source}/{page.path}: the folder tags/ is for the pages of tags; rename the source")
        elif holder == f"{page.source}/{page.path}":
            yield page
        else:
            problems.append(f"{page.source}/{page.path}: the address {page.address} is taken by {holder}")


def _put_pages(ctx: JobContext, site: Site, folder: SiteFolder, problems: list[str]) -> list[Page]:
    published = []
    body = dialect_named(ctx.db_pool.dialect).text("SELECT body FROM {markdown_content} WHERE id = ?")
    for number, page in enumerate(site.pages, start=1):
        ctx.raise_if_cancelled()
        ctx.progress(number, len(site.pages), page.address)
        row = ctx.db_pool.fetch_one(body, (page.content_id,))
        if row is None:
            continue
        try:
            rendered = site.page(page, row["body"])
        except (ValueError, RecursionError) as error:
            problems.append(f"{page.source}/{page.path}: {error}")
            folder.keep(page.address)
            continue
        for link in rendered.missing:
            ctx.logger.warning("%s/%s: link to %r leads nowhere", page.source, page.path, link)
        problems += [f"{page.source}/{page.path}: {reason}" for reason in rendered.refused]
        _put_assets(site, folder, rendered, problems)
        if _put(folder, page.address, rendered.data, problems):
            published.append(page)
    return published


def _put_assets(site: Site, folder: SiteFolder, rendered: RenderedPage, problems: list[str]) -> None:
    folder.announce(set(rendered.assets))
    for address, asset in rendered.assets.items():
        try:
            data = site.assets.read(asset)
        except (ValueError, OSError) as error:
            problems.append(f"{asset.source}/{asset.path}: {getattr(error, 'strerror', None) or error}")
            folder.keep(address)
            continue
        _put(folder, address, data, problems)


def _put(folder: SiteFolder, address: str, data: bytes, problems: list[str]) -> bool:
    from systemprompt.builtin.content.site_folder import ForeignFile

    try:
        folder.put(address, data)
    except ForeignFile as error:
        problems.append(f"{error.message}; {error.hint}")
        return False
    except OSError as error:
        problems.append(f"{address}: {error.strerror or error}")
        return False
    return True


def _result(ctx: JobContext, published: list[Page], folder: SiteFolder, problems: list[str]) -> JobResult:
    for problem in problems:
        ctx.logger.warning("%s", problem)
    message = (
        f"Published {counted(len(published), 'page')} "
        f"({counted(folder.written, 'file')} written, {folder.unchanged} unchanged, {folder.removed} removed)"
    )
    return account(message, len(published), problems)


_TO_PUBLISH = """
    SELECT id, source, path, slug, title, description, tags, published_at, updated_at, ingested_at
    FROM {markdown_content}
    WHERE removed_at IS NULL AND NOT draft AND (published_at IS NULL OR published_at <= :now)
    ORDER BY source, path
"""

_WAITING = """
    SELECT count(*) AS rows FROM {markdown_content}
    WHERE removed_at IS NULL AND (draft OR published_at > :now)
"""
