"""A program that enters a node and forks afterwards, as pre-forking web servers do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from support.embedded_node import audit_is_clean, profile_in

FORKING_PROGRAM = """
import os, sys
import systemprompt
from systemprompt import job

@job()
def hello():
    return "hello"

with systemprompt.node(sys.argv[1], jobs=[hello]) as node:
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        for act in (lambda: node.run("hello"), lambda: node.start("hello"), lambda: node.history(), lambda: node.wait(),
                    lambda: node.result(1), lambda: node.call("list_jobs")):
            try:
                act()
            except systemprompt.errors.ConflictError as error:
                print(error.message.count("came by fork()"), error.hint, flush=True)
    else:
        os.waitpid(child, 0)
        print(node.run("hello").message, len(node.history()), flush=True)
"""


def test_a_forked_child_of_a_program_is_told_that_the_node_is_its_parents(tmp_path: Path) -> None:
    profile = profile_in(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", FORKING_PROGRAM, str(profile)], capture_output=True, text=True, timeout=60, check=False
    )
    told = "1 enter systemprompt.node(...) in the child, after the fork\n"
    assert (done.stdout, done.returncode) == (told * 6 + "hello 1\n", 0), done.stderr
    audit_is_clean(profile)
