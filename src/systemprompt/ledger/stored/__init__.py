"""The ledger in a database, whatever its engine: what is done inside a transaction, in named statements that each engine has."""
