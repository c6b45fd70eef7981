"""What a job is: how a user writes one, what it is given, and what it returns."""
