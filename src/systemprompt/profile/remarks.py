"""What a profile may say and will probably not mean, or what this machine cannot do for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from systemprompt.discovery.overrides import JobOverride
from systemprompt.errors import ConfigurationError
from systemprompt.profile.profile import Profile
from systemprompt.runner.executors.environment import read_environment_file, user_of

__all__ = ["remarks_on"]


def remarks_on(profile: Profile) -> tuple[str, ...]:
    """Return a sentence for each, with its place and what to write. They are no faults: another machine may run the jobs.

    Reads the environment files and asks for the users that are named. Starts nothing.
    """
    found = [*_tried("environment_file", read_environment_file, *profile.around.environment_files)]
    for name, said in profile.jobs.items():
        if said.command is not None:
            found += _on_command(f"scheduler.jobs.{name}", said, said.command)
    return tuple(found)


def _on_command(place: str, said: JobOverride, command: tuple[str, ...]) -> Iterator[str]:
    if any("\\%" in word for word in command):
        yield (
            f"{place}.command: '\\%' keeps its backslash. A crontab needs it before a percent sign; here % means itself: "
            "write % alone"
        )
    yield from _tried(f"{place}.environment_file", read_environment_file, *said.environment_files)
    if said.user is not None:
        yield from _tried(f"{place}.user", user_of, said.user)


def _tried(place: str, look: Callable[[str], Any], *names: str) -> Iterator[str]:
    for name in names:
        try:
            look(name)
        except ConfigurationError as error:
            yield f"{place}: {error.message}; {error.hint}"
