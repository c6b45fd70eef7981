"""Whatever stands in a schedule, a profile, a content file, a call or a job: its own errors or none, in bounded time and memory.

Short form: the same examples each time. Long form, many more from a seed that is printed (FUZZ_SEED chooses it):

    SP_CAMPAIGN=long python -m pytest tests/badground tests/fuzz
"""

from __future__ import annotations

import os
import random
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from fuzz_targets import TARGETS

from support.campaign import LONG
from systemprompt import Job
from systemprompt.builtin.content.markdown_files import BadDocument, read_document
from systemprompt.discovery.checking import define_job, read_job
from systemprompt.discovery.definition import JobSource
from systemprompt.errors import JobDefinitionError
from systemprompt.jobs.policies import Policies

EXAMPLES = 30_000 if LONG else 120
CPU_S = 3_600 if LONG else 20
"""For all the examples of a target: a single one that took its time would use it up."""

MEMORY = 2**30


@pytest.mark.parametrize("target", TARGETS)
def test_only_errors_of_their_own_family_come_out_in_bounded_time_and_memory(target: str) -> None:
    seed = int(os.environ.get("FUZZ_SEED", "0")) or (random.SystemRandom().randrange(1, 2**31) if LONG else 0)
    print(f"the seed of {target}: FUZZ_SEED={seed}")

    def bound() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))

    done = subprocess.run(
        [
            sys.executable,
            "-W",
            "error",
            str(Path(__file__).with_name("fuzz_targets.py")),
            target,
            str(EXAMPLES),
            str(seed),
        ],
        capture_output=True,
        text=True,
        errors="backslashreplace",
        check=False,
        preexec_fn=bound,
    )

    assert done.returncode == 0, f"{target} with FUZZ_SEED={seed}:\n{done.stderr[-6_000:]}"


@pytest.mark.parametrize("timeout", [10**400, [1], b"x", float("nan"), float("inf"), "1" * 400 + "d"])
def test_a_timeout_that_is_no_duration_is_an_error_of_the_job(timeout: object) -> None:
    kind = type("Made", (Job,), {"name": "made", "execute": lambda _self, _ctx: None, "timeout": timeout})
    with pytest.raises(JobDefinitionError, match="timeout"):
        define_job(read_job(kind), JobSource(kind="module", name="tests"), None, "UTC")
    with pytest.raises(JobDefinitionError, match="timeout"):
        Policies(timeout_s=timeout)  # type: ignore[arg-type]  # on purpose


@pytest.mark.parametrize(
    "value", ["!!bool", "!!bool x", "!!int", "!!int _", "!!float", "!!timestamp x", "!!int 0x", "!!set [a]"]
)
def test_a_tag_that_does_not_fit_its_value_is_an_error_of_the_content_file(value: str) -> None:
    with pytest.raises(BadDocument) as caught:
        read_document(f"---\ntitle: fine\nx: {value}\n---\n".encode(), "a.md", time_zone="UTC")
    assert caught.value.line == 3
