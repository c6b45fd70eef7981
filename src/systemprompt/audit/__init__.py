"""Proof that the ledger accounts for everything: the auditor, its own oracle of fire times, and `explain`."""

from __future__ import annotations

from systemprompt.audit.auditor import audit
from systemprompt.audit.explain import Explanation, explain
from systemprompt.audit.findings import KINDS, AuditCounts, AuditReport, Finding
from systemprompt.audit.oracle import Oracle

__all__ = ["KINDS", "AuditCounts", "AuditReport", "Explanation", "Finding", "Oracle", "audit", "explain"]
