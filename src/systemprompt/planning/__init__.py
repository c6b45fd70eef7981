"""What is owed of a job up to now: pure values in, pure values out."""
