"""Runs jobs in tasks, threads and processes, and says how each ended."""
