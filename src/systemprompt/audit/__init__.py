"""Proof that the ledger accounts for everything.

    auditor    `audit(ledger, now=..., alive=...)` holds every fire time against rows and ranges, and every run against itself
    findings   what it says: `AuditReport`, `Finding`, and the closed list `KINDS`
    oracle     the independent engine that recomputes fire times
    seals      the chain of seals, and what sealed days still hold
    sealing    `seal_closed_days(ledger, ...)`: closed days that pass the audit are sealed, which is what lets them be pruned
    explain    `explain(ledger, job_name, at)`: one fire time in words

Names load when first used, so that loading the oracle loads nothing of what it judges.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from systemprompt.audit.auditor import audit
    from systemprompt.audit.explain import Explanation
    from systemprompt.audit.findings import KINDS, AuditCounts, AuditReport, Finding
    from systemprompt.audit.oracle import Oracle

__all__ = ["KINDS", "AuditCounts", "AuditReport", "Explanation", "Finding", "Oracle", "audit"]

_HOMES = {
    "KINDS": "systemprompt.audit.findings",
    "AuditCounts": "systemprompt.audit.findings",
    "AuditReport": "systemprompt.audit.findings",
    "Explanation": "systemprompt.audit.explain",
    "Finding": "systemprompt.audit.findings",
    "Oracle": "systemprompt.audit.oracle",
    "audit": "systemprompt.audit.auditor",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
