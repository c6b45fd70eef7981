"""Proof that the ledger accounts for everything: the auditor, its own oracle of fire times, and `explain`."""
