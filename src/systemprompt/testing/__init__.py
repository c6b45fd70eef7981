"""Tests of your jobs: a node whose time passes only when a test says so.

    node          `with testing.node(jobs=[...]) as node: node.advance("1d")` fires what is due in a day, in no time
    JobNode       what it hands over
    plugin        the pytest fixtures `job_node` and `job_context`

Names load when first used: pytest loads the plugin in every project that has this package.
"""

from __future__ import annotations

from systemprompt.testing import job_node
from systemprompt.testing.job_node import JobNode, node

__all__ = ["JobNode", "node"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(job_node, name)
    globals()[name] = value
    return value
