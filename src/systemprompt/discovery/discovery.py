"""Find every job of an installation: the built-ins, the profile's extensions, the entry points, the profile's commands.

One bad job, file or module never keeps the others from running: it is quarantined, with its error, and the search goes on.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points

from systemprompt.discovery.checking import define_command, define_job, name_of, place_of, read_job
from systemprompt.discovery.definition import Catalogue, JobDefinition, JobSource, Quarantined
from systemprompt.discovery.files_of_others import check_surroundings, files_around, folders_above
from systemprompt.discovery.fingerprint import fingerprint_of
from systemprompt.discovery.given import given_jobs
from systemprompt.discovery.loader import LOAD_S, load_within
from systemprompt.discovery.loading import NotLoadable, job_files_of, load_source, module_files
from systemprompt.discovery.overrides import NOTHING_AROUND, Around, Extension, JobOverride
from systemprompt.errors import CronError, JobDefinitionError, SystempromptError
from systemprompt.jobs.job import Job
from systemprompt.wording import did_you_mean

__all__ = ["ENTRY_POINT_GROUP", "discover", "load_job"]

ENTRY_POINT_GROUP = "systemprompt.jobs"
"""Installed distributions name their job modules under this group: `acme = "acme.jobs"`, or `"acme.jobs:Feeds"`."""


def discover(
    *,
    builtin_modules: Sequence[str] = (),
    extensions: Sequence[Extension] = (),
    entry_points: bool = True,
    given: Sequence[object] = (),
    overrides: Mapping[str, JobOverride] | None = None,
    bootstrap: Sequence[str] = (),
    reboot: Sequence[str] = (),
    time_zone: str = "UTC",
    profile_path: str | None = None,
    around: Around = NOTHING_AROUND,
    is_wary: bool = False,
    load_timeout: float = LOAD_S,
) -> Catalogue:
    """Load every source and return the jobs with the profile's overrides applied, and all that could not be loaded.

    Called again after a file changed it runs the new code; what did not change is not run again. Two jobs of one name are
    both quarantined: which of them was meant nobody can tell. Never raises for a user's mistake, but for a thing in `given`
    that is no job: `JobDefinitionError`. With `is_wary`, job files, programs and files of variables that somebody else may change
    are quarantined, not obeyed: nobody named the profile on purpose.
    """
    search = _Search(overrides or {}, time_zone, profile_path, around, is_wary, load_timeout)
    for name in builtin_modules:
        search.source(JobSource(kind="builtin", name=name))
    for extension in extensions:
        search.extension(extension)
    if entry_points:
        search.entry_points()
    search.given(given)
    search.commands()
    search.duplicates()
    search.leftovers({"bootstrap_jobs": bootstrap, "reboot_jobs": reboot})
    return Catalogue(
        jobs={name: search.jobs[name] for name in sorted(search.jobs)},
        quarantined=tuple(search.quarantined),
        bootstrap=tuple(dict.fromkeys(name for name in bootstrap if name in search.jobs)),
        reboot=tuple(dict.fromkeys(name for name in reboot if name in search.jobs)),
        files=search.files,
    )


def load_job(source: JobSource, name: str) -> Job:
    """Load one job again from where it came from, as a process of its own does before it runs it.

    Raises:
        JobDefinitionError: the source cannot be loaded, or holds no such job any more.
    """
    held = []
    for submitted in load_source(source):
        if name_of(submitted) == name:
            return read_job(submitted)
        held.append(name_of(submitted) or repr(submitted))
    raise JobDefinitionError(
        f"{source.name!r} holds no job named {name!r}; it holds {', '.join(sorted(held)) or 'none'}",
        hint="it was renamed or removed since it was last listed; see: sp jobs list",
    )


class _Search:
    """What has been found so far."""

    def __init__(
        self,
        overrides: Mapping[str, JobOverride],
        time_zone: str,
        profile_path: str | None,
        around: Around,
        is_wary: bool,
        load_timeout: float,
    ) -> None:
        self.load_timeout = load_timeout
        self.overrides = overrides
        self.is_wary = is_wary
        self.around = around
        self.time_zone = time_zone
        self.profile_path = profile_path
        self.profile_source = JobSource(kind="command", name=profile_path or "")
        self.jobs: dict[str, JobDefinition] = {}
        self.quarantined: list[Quarantined] = []
        self.files: dict[str, str] = {}
        self._places: dict[str, list[JobSource]] = {}  # every name that was met, with all the places it was met in
        self._loaded: set[JobSource] = set()
        self._submissions: dict[int, object] = {}
        if profile_path is not None:
            self.files[profile_path] = fingerprint_of(profile_path)

    def extension(self, extension: Extension) -> None:
        if extension.kind != "folder":
            self.source(JobSource(kind=extension.kind, name=extension.name, is_wary=self.is_wary))
            return
        # Taken before the files are read: a change in between then shows as a difference, and is not lost.
        self.files[extension.name] = fingerprint_of(extension.name)
        try:
            paths = job_files_of(extension.name)
        except JobDefinitionError as error:
            self._quarantine(None, JobSource(kind="folder", name=extension.name), error)
            return
        for path in paths:
            self.source(JobSource(kind="file", name=path, is_wary=self.is_wary))

    def source(self, source: JobSource) -> None:
        if source in self._loaded:
            return
        self._loaded.add(source)
        try:
            submissions = load_within(source, self.load_timeout)
        except JobDefinitionError as error:
            self._quarantine(None, source, error)
            if source.kind != "file":
                self.files.update(_where_it_may_appear(source.name))
            elif source.is_wary:
                self._look_again([source.name])
            submissions = []
        self.files.update(module_files(source))
        for submitted in submissions:
            self._submitted(submitted, source)

    def entry_points(self) -> None:
        self.files.update(_installed())
        for entry in sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda entry: (entry.name, entry.value)):
            self.source(JobSource(kind="entry_point", name=entry.value.partition("[")[0].strip()))

    def given(self, things: Sequence[object]) -> None:
        for submitted, source in given_jobs(things):
            # The module that it is written in may be an extension of the profile too.
            if id(submitted) not in self._submissions:
                self._submitted(submitted, source)

    def commands(self) -> None:
        for name, said in self.overrides.items():
            if said.command is None:
                continue
            self._places.setdefault(name, []).append(self.profile_source)
            try:
                self._add(define_command(said, self.profile_source, self.time_zone, self.around))
            except (JobDefinitionError, CronError) as error:
                self._quarantine(name, self.profile_source, error)

    def duplicates(self) -> None:
        for name, places in self._places.items():
            if len(places) < 2:
                continue
            self.jobs.pop(name, None)
            self.quarantined = [one for one in self.quarantined if one.name != name]
            named = [repr(place.name) for place in dict.fromkeys(places)]
            where = f"all in {named[0]}" if len(named) == 1 else f"in {', '.join(named[:-1])} and {named[-1]}"
            number = {2: "two", 3: "three"}.get(len(places), str(len(places)))
            error = JobDefinitionError(
                f"{number} jobs are named {name!r}, {where.replace('all', 'both') if len(places) == 2 else where}",
                hint="none of them runs until the others are renamed or removed",
            )
            for place in dict.fromkeys(places):
                self._quarantine(name, place, error)

    def leftovers(self, lists: Mapping[str, Sequence[str]]) -> None:
        """Quarantine what the profile says of jobs that do not exist: a misspelt name must not pass in silence."""
        for name in self.overrides:
            if name not in self._places:
                self._quarantine(name, self.profile_source, self._unknown(name, f"scheduler.jobs names {name!r}"))
        named = {name: key for key, names in lists.items() for name in names}
        for name, key in named.items():
            if name not in self._places and name not in self.overrides:
                self._quarantine(name, self.profile_source, self._unknown(name, f"scheduler.{key} names {name!r}"))

    def _unknown(self, name: str, who: str) -> JobDefinitionError:
        near = did_you_mean(name, self._places)
        broken = [one.error for one in self.quarantined if one.name is None]
        hint = "give it a `command`, or take it out of the profile"
        if broken:
            hint = f"it may be in what does not load: {'; '.join(broken)}"
        if near:
            hint = f"did you mean {near!r}? Or {hint}" if broken else f"did you mean {near!r}?"
        return JobDefinitionError(f"{who}, and there is no such job", hint=hint)

    def _submitted(self, submitted: object, source: JobSource) -> None:
        self._submissions[id(submitted)] = submitted
        name = name_of(submitted)
        if name is not None:
            self._places.setdefault(name, []).append(source)
        try:
            job = read_job(submitted)
            self._add(define_job(job, source, self.overrides.get(job.name), self.time_zone, self.around))
        except (JobDefinitionError, CronError) as error:
            self._quarantine(name, source, error, place_of(submitted))

    def _add(self, job: JobDefinition) -> None:
        if self.is_wary:
            try:
                check_surroundings(job)
            except JobDefinitionError:
                self._look_again(files_around(job))
                raise
        self.jobs[job.name] = job

    def _look_again(self, paths: Sequence[str]) -> None:
        """Have the catalogue read again when owner or rights of these paths change, or of a folder above."""
        for path in paths:
            self.files.update({one: fingerprint_of(one) for one in (path, *folders_above(path))})

    def _quarantine(
        self, name: str | None, source: JobSource, error: SystempromptError, place: tuple[str, int] | None = None
    ) -> None:
        file, line = place or (source.name if source.kind == "file" else None, None)
        if isinstance(error, NotLoadable):
            file, line = error.file or file, error.line
        one = Quarantined(name=name, source=source, error=error.message, hint=error.hint, file=file, line=line)
        self.quarantined.append(one)


def _installed() -> dict[str, str]:
    """Return the fingerprints of the folders that hold installed distributions: an install or a removal changes one."""
    folders = {os.path.abspath(folder) for folder in sys.path if folder.endswith(("-packages", f"-packages{os.sep}"))}
    return {folder: fingerprint_of(folder) for folder in sorted(folders)}


def _where_it_may_appear(module: str) -> dict[str, str]:
    """Return the fingerprints that change once a module that cannot be imported, or what it lacks, is put in place."""
    top = module.partition(":")[0].partition(".")[0]
    candidates = [os.path.join(os.path.abspath(folder), top + end) for folder in sys.path for end in ("", ".py")]
    return {path: fingerprint_of(path) for path in candidates} | _installed()
