"""Built-in jobs that keep the ledger, the logs and the database in order."""
