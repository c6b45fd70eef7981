"""What a job is: how a user writes one, what it is given, what it returns, and where jobs are found."""
