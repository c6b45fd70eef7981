"""Proof that the ledger accounts for everything.

    auditor    `audit(ledger, now=..., alive=...)` holds every fire time against rows and ranges, and every run against itself
    findings   what it says: `AuditReport`, `Finding`, and the closed list `KINDS`
    oracle     the independent engine that recomputes fire times
    explain    `explain(ledger, job_name, at)`: one fire time in words

Nothing is imported here, so that loading the oracle loads nothing of what it judges.
"""
