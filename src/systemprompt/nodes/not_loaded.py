"""What cannot be loaded, as news: told once, and again after each edit that did not help."""

from __future__ import annotations

from collections.abc import Iterator

from systemprompt.discovery.definition import Catalogue, Quarantined
from systemprompt.nodes.events import NotLoaded

__all__ = ["not_loaded"]


def not_loaded(catalogue: Catalogue, before: Catalogue | None = None) -> list[NotLoaded]:
    """Return an event for each thing that cannot be loaded; with the catalogue from before, only for what is news.

    News is what could be loaded before, fails for another reason now, or lies in a file that was edited since.
    """
    known = (
        set() if before is None else {one for one in before.quarantined if _seen(before, one) == _seen(catalogue, one)}
    )
    return [
        NotLoaded(
            source=one.source.name,
            job_name=one.name,
            file=one.file,
            line=one.line,
            error=one.told(),
            hint=one.hint,
            quarantined=tuple(_had_from(one, catalogue, before)),
        )
        for one in catalogue.quarantined
        if one not in known
    ]


def _seen(catalogue: Catalogue, one: Quarantined) -> tuple[str | None, str | None]:
    return catalogue.files.get(one.source.name), catalogue.files.get(one.file or "")


def _had_from(one: Quarantined, catalogue: Catalogue, before: Catalogue | None) -> Iterator[str]:
    for name, job in before.jobs.items() if before is not None else ():
        if name not in catalogue.jobs and (name == one.name or (one.name is None and job.source == one.source)):
            yield name
