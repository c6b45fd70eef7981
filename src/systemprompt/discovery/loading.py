"""Run the code that jobs are written in: builtin and extension modules, job files, entry points.

What was imported stays for as long as its files do not change, so that a long-lived node keeps one copy of a module's state; a
changed file is always read anew, even where Python's own bytecode cache could not tell (it compares whole seconds).
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from errno import EINVAL
from types import FrameType, ModuleType

from systemprompt.discovery.definition import JobSource
from systemprompt.discovery.files_of_others import check_job_file, may_others_add
from systemprompt.discovery.fingerprint import ABSENT, fingerprint_of
from systemprompt.discovery.job_files import module_name
from systemprompt.errors import JobDefinitionError
from systemprompt.jobs.job import MODULE_JOBS

__all__ = ["NotLoadable", "job_files_of", "load_source", "module_files", "place_in_frames"]


class NotLoadable(JobDefinitionError):
    """The code of a source cannot be run. `file` and `line` say where, as far as that is known."""

    def __init__(self, message: str, *, hint: str | None, at: tuple[str, int] | None) -> None:
        super().__init__(message, hint=hint)
        self.file: str | None = at[0] if at else None
        self.line: int | None = at[1] if at else None


def load_source(source: JobSource) -> list[object]:
    """Import one source and return what it submitted, in order.

    Raises:
        JobDefinitionError: its code cannot be found or run; the message has the reason with file and line.
    """
    if source.kind == "file" or os.path.isabs(source.name):
        if source.is_wary:
            check_job_file(source.name)
        return _submitted([_load_file(source)])
    if source.kind == "entry_point" and ":" in source.name:
        return _load_attribute(source)
    return _submitted(_load_module(source, source.name))


def job_files_of(folder: str) -> list[str]:
    """Return the job files of a folder: every `*.py` that does not begin with `_` or `test_`, sorted.

    Raises:
        JobDefinitionError: the folder cannot be listed.
    """
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise JobDefinitionError(
            f"cannot list the job folder {folder!r}: {error.strerror}",
            hint="make the folder, or take it out of `extensions`",
        ) from error
    chosen = (name for name in names if name.endswith(".py") and not name.startswith(("_", "test_", ".")))
    return [path for path in (os.path.join(folder, name) for name in chosen) if os.path.isfile(path)]


def module_files(source: JobSource) -> dict[str, str]:
    """Return path -> fingerprint of every file a loaded source was read from."""
    if source.kind == "file":
        known = _files.get(source.name)
        beside = dict(_beside.get(os.path.dirname(source.name), {}).values())
        return {**beside, source.name: known.fingerprint if known else fingerprint_of(source.name)}
    return dict(_modules.get(source.name.partition(":")[0], {}))


def _submitted(modules: Iterable[ModuleType]) -> list[object]:
    """Return what modules submitted, each thing once: a decorated class may also be handed to `submit_job`."""
    found = [value for module in modules for value in getattr(module, MODULE_JOBS, ())]
    return list({id(value): value for value in found}.values())


# --- job files


@dataclass(slots=True)
class _Loaded:
    """A job file as it was last read."""

    source: bytes
    fingerprint: str
    module: ModuleType


_files: dict[str, _Loaded] = {}
_modules: dict[str, dict[str, str]] = {}  # extension module -> the files that it and its submodules came from
_beside: dict[str, dict[str, tuple[str, str]]] = {}  # folder of job files -> what they imported from beside them


def _load_file(source: JobSource) -> ModuleType:
    path = source.name
    folder = os.path.dirname(path)
    fingerprint = fingerprint_of(path)  # before it is read: a change in between must not be lost
    try:
        if os.path.exists(path) and not os.path.isfile(path):
            raise OSError(EINVAL, "it is not a regular file")  # a pipe would be waited for
        with open(path, "rb") as file:
            text = file.read()
    except OSError as error:
        raise JobDefinitionError(
            f"cannot load jobs from {path!r}: {error.strerror}",
            hint="mend the path under `extensions`, or the file's rights",
        ) from error
    neighbours_changed = _forget_changed_neighbours(folder)
    known = _files.get(path)
    if known is not None and known.source == text and not neighbours_changed:
        known.fingerprint = fingerprint
        return known.module
    name = module_name(path)
    module = ModuleType(name)
    module.__file__ = path
    if folder not in sys.path and not (source.is_wary and may_others_add(folder)):
        sys.path.append(folder)  # last: a job file may import the files beside it, and they hide nothing
    sys.modules[name] = module  # dataclasses and pickle look a class's module up there
    _files.pop(path, None)
    try:
        exec(compile(text, path, "exec", dont_inherit=True), module.__dict__)  # noqa: S102  # running it is the point
    except KeyboardInterrupt:
        sys.modules.pop(name, None)
        raise
    except BaseException as error:  # a user's module may raise anything, SystemExit too; it is reported
        sys.modules.pop(name, None)
        raise _cannot_load(path, error, lambda file: file == path) from error
    finally:
        _beside[folder] = _neighbours(folder)
    _files[path] = _Loaded(text, fingerprint, module)
    return module


def _neighbours(folder: str) -> dict[str, tuple[str, str]]:
    """Return name -> (file, fingerprint) of the ordinary modules and packages imported from a folder of job files."""
    found = {}
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        below = os.path.join(folder, name.replace(".", os.sep))
        if isinstance(file, str) and file in (f"{below}.py", os.path.join(below, "__init__.py")):
            found[name] = (file, fingerprint_of(file))
    return found


def _forget_changed_neighbours(folder: str) -> bool:
    before = _beside.get(folder, {})
    if all(fingerprint_of(file) == was for file, was in before.values()):
        return False
    for name in before:
        sys.modules.pop(name, None)
    _remove_bytecode(file for file, _ in before.values())
    for path in [path for path in _files if os.path.dirname(path) == folder]:
        del _files[path]
    _beside[folder] = {}
    importlib.invalidate_caches()
    return True


# --- modules


def _load_module(source: JobSource, name: str) -> list[ModuleType]:
    known = _modules.get(name)
    if known is not None and any(fingerprint_of(path) != was for path, was in known.items()):
        _remove_bytecode(known)
        _forget(name)
    if name not in sys.modules:
        importlib.invalidate_caches()
        _forget(name)  # submodules of a package whose own import failed
    try:
        if name not in sys.modules:
            _remove_doubtful_bytecode(name)
        importlib.import_module(name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a user's module may raise anything, SystemExit too; it is reported
        _modules[name] = _files_of_family(name) | _file_that_failed(error)
        raise _cannot_load(source.name, error, _belongs_to(name), absent=_is_absent(name, error)) from error
    _modules[name] = _files_of_family(name)
    return [module for _, module in _family(name)]


def _load_attribute(source: JobSource) -> list[object]:
    name, _, attribute = source.name.partition(":")
    value: object = _load_module(source, name)[0]
    for part in attribute.split("."):
        if not hasattr(value, part):
            raise JobDefinitionError(
                f"cannot load jobs from {source.name!r}: {name!r} has no {attribute!r}",
                hint="the distribution that declares this entry point has to mend it",
            )
        value = getattr(value, part)
    if isinstance(value, ModuleType):
        return _submitted([value])
    return [value]


def _family(name: str) -> Iterator[tuple[str, ModuleType]]:
    """Yield a module and the submodules of it that are imported, in the order of their import."""
    for found, module in list(sys.modules.items()):
        if (found == name or found.startswith(name + ".")) and isinstance(module, ModuleType):
            yield found, module


def _files_of_family(name: str) -> dict[str, str]:
    files = (getattr(module, "__file__", None) for _, module in _family(name))
    return {file: fingerprint_of(file) for file in files if isinstance(file, str)}


def _forget(name: str) -> None:
    for found, _ in list(_family(name)):
        del sys.modules[found]


# --- bytecode: Python takes a cached file for current when second and size agree, and an editor is faster than that


def _remove_bytecode(files: Iterable[str]) -> None:
    for file in files:
        with suppress(OSError, NotImplementedError):  # nothing is cached, or nobody here may write
            os.unlink(importlib.util.cache_from_source(file))


def _remove_doubtful_bytecode(name: str) -> None:
    """Remove the cached bytecode that was written no later than the source it stands for was."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None or not spec.has_location:
        return
    paths = [spec.origin]
    for folder in spec.submodule_search_locations or ():
        for at, folders, files in os.walk(folder):
            folders[:] = [below for below in folders if below != "__pycache__"]
            paths += [os.path.join(at, file) for file in files if file.endswith(".py")]
    doubtful = []
    for path in paths:
        with suppress(OSError, NotImplementedError):  # nothing is cached
            if os.stat(importlib.util.cache_from_source(path)).st_mtime_ns <= os.stat(path).st_mtime_ns:
                doubtful.append(path)
    _remove_bytecode(doubtful)


# --- what went wrong, and where


def _cannot_load(
    name: str, error: BaseException, is_ours: Callable[[str], bool], *, absent: bool = False
) -> NotLoadable:
    reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    at = _place_in(error, is_ours)
    place = f" ({_shortened(at[0])}, line {at[1]})" if at else ""
    if isinstance(error, SyntaxError):
        reason = f"{type(error).__name__}: {error.msg}"  # its text repeats the place
    hint = None
    if absent:
        hint = f"install what holds it into {sys.prefix}, set PYTHONPATH, or name a job file or a folder (with a slash)"
    elif isinstance(error, ModuleNotFoundError) and error.name:
        hint = f"install {error.name.partition('.')[0]!r} into {sys.prefix}; the jobs last seen there are quarantined"
    return NotLoadable(f"cannot load jobs from {name!r}: {reason}{place}", hint=hint, at=at)


def _is_absent(name: str, error: BaseException) -> bool:
    return (
        isinstance(error, ModuleNotFoundError) and error.name is not None and (name + ".").startswith(error.name + ".")
    )


def _belongs_to(name: str) -> Callable[[str], bool]:
    top = name.partition(".")[0]
    return lambda file: f"{os.sep}{top}{os.sep}" in file or os.path.basename(file) == f"{top}.py"


def _place_in(error: BaseException, is_ours: Callable[[str], bool]) -> tuple[str, int] | None:
    """Return file and line of the innermost line of the user's own code, else of any code."""
    if isinstance(error, SyntaxError) and error.filename:
        return error.filename, error.lineno or 1
    lines: list[tuple[str, int]] = []
    ours: list[tuple[str, int]] = []
    at = error.__traceback__
    while at is not None:
        file = at.tb_frame.f_code.co_filename
        if file != __file__ and not file.startswith("<frozen") and f"{os.sep}importlib{os.sep}" not in file:
            lines.append((file, at.tb_lineno))
            if is_ours(file):
                ours.append((file, at.tb_lineno))
        at = at.tb_next
    found = ours or lines
    return found[-1] if found else None


def place_in_frames(frame: FrameType | None, source: JobSource) -> tuple[str, int] | None:
    """Return file and line of the innermost line of a source's own code that is at work; None where none is."""
    is_ours = (lambda file: file == source.name) if source.kind == "file" else _belongs_to(source.name)
    while frame is not None and not is_ours(frame.f_code.co_filename):
        frame = frame.f_back
    return None if frame is None else (frame.f_code.co_filename, frame.f_lineno)


def _shortened(file: str) -> str:
    """Return a file's path below the folder Python found it in: `acme/jobs/feeds.py`."""
    best = ""
    for folder in sys.path:
        start = os.path.join(os.path.abspath(folder), "") if folder else ""
        if start and file.startswith(start) and len(start) > len(best):
            best = start
    return file[len(best) :] if best else file


def _file_that_failed(error: BaseException) -> dict[str, str]:
    """Return the fingerprint of the file whose mending would help, so that its next edit is noticed."""
    files = {error.filename} if isinstance(error, SyntaxError) and error.filename else set()
    at = error.__traceback__
    while at is not None:
        files.add(at.tb_frame.f_code.co_filename)
        at = at.tb_next
    prints = {file: fingerprint_of(file) for file in files if file.endswith(".py") and file != __file__}
    return {file: seen for file, seen in prints.items() if seen != ABSENT}
