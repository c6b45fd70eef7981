"""The ledger on PostgreSQL: many nodes, on many machines."""
