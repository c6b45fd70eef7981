"""What a post is, and how one is read from its markdown file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

__all__ = ["BadPost", "Post", "read_post"]


class BadPost(ValueError):
    """A file that is no post."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """One post. The slug is the file's name, a leading date aside."""

    slug: str
    title: str
    body: str


def read_post(path: Path) -> Post:
    """Read a post: a title from the front matter or the first heading, and the text.

    Raises:
        BadPost: it has no title, or is not UTF-8.
        OSError: it cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise BadPost("it is not UTF-8") from error
    front, body = re.fullmatch(r"(?:---\n(.*?)\n---\n)?(.*)", text, re.DOTALL).groups(default="")  # type: ignore[union-attr]  # it fits every text
    title = re.search(r"^title:[ \t]*(.+)$", front, re.MULTILINE) or re.search(r"^# (.+)$", body, re.MULTILINE)
    if title is None:
        raise BadPost("it has no title: write `title:` above, or a heading")
    return Post(slug=re.sub(r"^\d{4}-\d\d-\d\d-", "", path.stem), title=title[1].strip(), body=body.strip())
