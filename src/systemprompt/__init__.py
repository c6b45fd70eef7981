"""Scheduled jobs that can account for themselves."""
