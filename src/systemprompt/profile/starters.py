"""The files that `sp init` and `sp jobs new` write."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from json import dumps
from keyword import iskeyword
from textwrap import wrap

from systemprompt.discovery.names import check_name
from systemprompt.profile.schema import Key, find_key

__all__ = ["example_content", "example_job_file", "function_name", "new_job_file", "template"]

_WIDTH = 118
_CONTENT = ("welcome.md", "schedules.md")


def template(name: str = "local") -> str:
    """Return a commented profile.yaml for an installation of this name. It loads without a fault.

    Expects beside it: `jobs/` with `example_job_file()` and `content/` with `example_content()`.
    """
    filled = _read("profile.yaml").format(name=_yaml_text(name), title=_yaml_text(name.replace("_", " ").capitalize()))
    return "\n".join(line for written in filled.split("\n") for line in _explained(written))


def example_job_file() -> str:
    """Return a job file with one function and one class, for `jobs/example.py`."""
    return _read("example_jobs.py.txt")


def example_content() -> Mapping[str, str]:
    """Return two markdown pages with front matter, by their path below the content folder."""
    return {name: _read(name) for name in _CONTENT}


def new_job_file(name: str) -> tuple[str, str]:
    """Return the text of a job file and of its test: for `NAME.py` and `test_NAME.py` in one folder, `-` and `.` as `_`.

    Raises:
        JobDefinitionError: no job may have this name.
    """
    function = function_name(check_name(name))
    words = {"name": name, "function": function, "module": function, "title": name.replace("_", " ").capitalize()}
    return _read("new_job.py.txt").format(**words), _read("new_job_test.py.txt").format(**words)


def function_name(name: str) -> str:
    """Return the function and module name for a job: what Python allows and what discovery takes for a job file."""
    function = name.replace("-", "_").replace(".", "_")
    return (
        f"job_{function}" if function[0].isdigit() or iskeyword(function) or function.startswith("test_") else function
    )


def _read(file: str) -> str:
    with open(os.path.join(os.path.dirname(__file__), "templates", file), encoding="utf-8") as opened:
        return opened.read()


def _explained(line: str) -> Iterator[str]:
    """Put the table's own words where the template asks for them, so that the two cannot differ."""
    indent, asked = line[: len(line) - len(line.lstrip())], line.strip()
    if asked.startswith("#: "):
        meaning = find_key(asked.removeprefix("#: ")).meaning
        start = f"{indent}# "
        yield from wrap(f"{meaning[0].upper()}{meaning[1:]}.", _WIDTH, initial_indent=start, subsequent_indent=start)
    elif asked.startswith("#keys "):
        for key in find_key(asked.removeprefix("#keys ")).keys:
            yield f"{indent}# {f'{key.name}: {_sample(key)}':<29} # {key.meaning}"
    else:
        yield line


def _sample(key: Key) -> str:
    if key.choices:
        return " | ".join(key.choices)
    return str(key.example if key.default is None else key.default)


def _yaml_text(text: str) -> str:
    """Return text as a double-quoted YAML scalar, where a dollar sign means itself."""
    return dumps(text.replace("$", "$$"))
