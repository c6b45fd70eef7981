"""The durable record: which fire times there were, and what became of each."""
