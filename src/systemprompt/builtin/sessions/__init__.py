"""Built-in jobs that look after the sessions of visitors: what they did, and when their rows go."""
