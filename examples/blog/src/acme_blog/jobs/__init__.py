"""The blog's jobs. The entry point names this package; a new job is a new file here and a line below."""

from __future__ import annotations

from acme_blog.jobs.blog_content_ingestion import BlogContentIngestion

__all__ = ["BlogContentIngestion"]
