"""Reads the posts of a folder into the table `blog_posts`."""

from __future__ import annotations

import time
from pathlib import Path

from acme_blog.posts import BadPost, read_post
from systemprompt import Job, JobContext, JobResult, submit_job

__all__ = ["BlogContentIngestion"]


@submit_job
class BlogContentIngestion(Job):
    """Keeps one row a post. Running it again, or after a crash, leads to the same rows: so a lost run may be tried again."""

    name = "blog_content_ingestion"
    description = "Ingests blog posts from markdown files"
    schedule = "0 0 * * * *"  # every hour
    tags = ("blog", "content")
    parameters = {"folder": "content"}  # noqa: RUF012  # below the profile's folder; overridden whole, never changed
    on_lost = "rerun"

    def execute(self, ctx: JobContext) -> JobResult:
        started = time.monotonic()
        posts, failed = [], 0
        files = sorted(Path(ctx.path(ctx.get_parameter("folder"))).rglob("*.md"))
        for number, path in enumerate(files, start=1):
            ctx.raise_if_cancelled()
            try:
                posts.append(read_post(path))
            except (BadPost, OSError) as error:
                failed += 1
                ctx.logger.warning("%s is left out: %s", path.name, error)
            ctx.progress(number, len(files), "posts")
        with ctx.db_pool.transaction() as tx:
            tx.execute(
                "CREATE TABLE IF NOT EXISTS blog_posts (slug TEXT PRIMARY KEY, title TEXT NOT NULL, body TEXT NOT NULL)"
            )
            tx.execute_many(
                "INSERT INTO blog_posts VALUES (?, ?, ?)"
                " ON CONFLICT (slug) DO UPDATE SET title = excluded.title, body = excluded.body",
                [(post.slug, post.title, post.body) for post in posts],
            )
        ctx.logger.info("posts ingested", extra={"posts": len(posts), "failed": failed})
        return (
            JobResult.success()
            .with_message(f"Ingested {len(posts)} post{'' if len(posts) == 1 else 's'}")
            .with_stats(len(posts), failed)
            .with_duration(round((time.monotonic() - started) * 1000))
        )
