"""The ledger on SQLite: one machine, nothing to install."""
