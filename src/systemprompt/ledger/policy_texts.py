"""How policies stand in a version: as JSON text, the same for every engine.

Both ways are remembered: thousands of jobs share a handful of texts.
"""

from __future__ import annotations

import json
from functools import lru_cache

from systemprompt.jobs.policies import Policies, unknown_policies

__all__ = ["policies_of", "text_of", "unknown_in"]


@lru_cache(maxsize=1024)
def text_of(policies: Policies) -> str:
    """Return the text of these policies. Equal policies have equal texts, so a version changes only where a policy does."""
    return json.dumps(policies.as_dict(), sort_keys=True)


@lru_cache(maxsize=1024)
def policies_of(text: str) -> Policies:
    """Return what the text of a version says, as `Policies.from_version` reads it."""
    return Policies.from_version(json.loads(text))


@lru_cache(maxsize=1024)
def unknown_in(text: str) -> tuple[str, ...]:
    """Return which policies of a version's text only a newer program knows; mostly none."""
    return unknown_policies(json.loads(text))
