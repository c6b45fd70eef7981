"""Jobs that fire every few seconds on the demo's own site, one for each way of running work."""

import asyncio
import hashlib
import os
import re
import shutil
import time

from systemprompt import Job, JobContext, JobResult, job, submit_job


@job(schedule="@every 2s", tags=["demo"], parameters={"folder": "public"})
def word_count(ctx: JobContext) -> JobResult:
    """A plain function, in a thread: counts the words of the site."""
    words = sum(len(_read(page).split()) for page in _pages(ctx))
    return JobResult.success().with_message(f"{words:,} words").with_stats(words, 0)


@job(schedule="@every 4s", tags=["demo"], parameters={"folder": "public"}, timeout="10s")
async def link_check(ctx: JobContext) -> JobResult:
    """An async function: looks up every relative link of every page."""
    found = await asyncio.gather(*(asyncio.to_thread(_broken_links, page) for page in _pages(ctx)))
    broken = [link for links in found for link in links]
    for link in broken:
        ctx.logger.warning("leads nowhere: %s", link)
    return JobResult.success().with_message(f"{len(found)} pages looked at, {len(broken)} links lead nowhere")


@job(schedule="@every 5s", tags=["demo"], parameters={"folder": "public"}, isolation="process", timeout="10s")
def fingerprint(ctx: JobContext) -> JobResult:
    """A plain function in a process of its own, which can be ended for certain: hashes the site."""
    digest = hashlib.sha256()
    for page in _pages(ctx):
        digest.update(_read(page).encode())
    return JobResult.success().with_message(f"sha256 {digest.hexdigest()[:16]}")


@job(schedule="@every 8s", tags=["demo"], parameters={"folder": "public", "seconds": 6}, on_lost="rerun")
def mirror(ctx: JobContext) -> JobResult:
    """Copies the site, page by page. Doing it twice is harmless, so a lost run may run again."""
    pages = _pages(ctx)
    target = ctx.path("mirror")
    os.makedirs(target, exist_ok=True)
    for number, page in enumerate(pages, start=1):
        ctx.cancel.wait(ctx.get_parameter("seconds", float) / len(pages))
        ctx.raise_if_cancelled()
        shutil.copy(page, target)
        ctx.progress(number, len(pages), os.path.basename(page))
    return JobResult.success().with_message(f"{len(pages)} pages copied").with_stats(len(pages), 0)


@job(schedule="@every 8s", tags=["demo"], parameters={"seconds": 5})
def post_digest(ctx: JobContext) -> JobResult:
    """Posts something that must not be posted twice, so a lost run stays lost (the default)."""
    ctx.cancel.wait(ctx.get_parameter("seconds", float))
    ctx.raise_if_cancelled()
    with open(ctx.path("posted.txt"), "a", encoding="utf-8") as file:
        file.write(f"run {ctx.run_id}, fence {ctx.fence}\n")
    return JobResult.success().with_message("posted once")


@submit_job
class MoodyFeed(Job):
    """Fails at every third fire time: it returns a failure, or raises, in turn."""

    name = "moody_feed"
    description = "Asks a feed that does not always answer"
    schedule = "@every 3s"
    tags = ("demo",)

    def execute(self, ctx: JobContext) -> JobResult:
        turn = int(ctx.fire_at.timestamp() if ctx.fire_at else time.time()) // 3 % 6
        if turn == 0:
            return JobResult.failure("the feed answered 503")
        if turn == 3:
            raise TimeoutError("no answer within 2 s")
        return JobResult.success().with_message(f"{turn} new entries").with_stats(turn, 0)


def _pages(ctx: JobContext) -> list[str]:
    folder = ctx.path(ctx.get_parameter("folder", str, "public"))
    return sorted(
        os.path.join(place, name) for place, _, names in os.walk(folder) for name in names if name.endswith(".html")
    )


def _read(page: str) -> str:
    with open(page, encoding="utf-8") as file:
        return file.read()


def _broken_links(page: str) -> list[str]:
    links = re.findall(r'href="([^"#]+)', _read(page))
    here = os.path.dirname(page)
    relative = [link for link in links if "://" not in link and not link.startswith(("mailto:", "data:"))]
    return [f"{page}: {link}" for link in relative if not os.path.exists(os.path.join(here, link))]
