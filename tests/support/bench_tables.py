"""What a bench prints: one Markdown table, and what it makes of it."""

from __future__ import annotations

__all__ = ["is_one_judged_table"]


def is_one_judged_table(said: str) -> bool:
    """Say whether there is one title, one table whose rule fits its header, and at least one must or aim."""
    header, rule = [line for line in said.splitlines() if line.startswith("|")][:2]
    judged = "- must: " in said or "- aim: " in said
    return header.count("|") == rule.count("|") > 2 and said.count("**") == 2 and judged
