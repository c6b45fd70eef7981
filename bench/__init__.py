"""Measurements against floors and peers in the same run. They print numbers and ratios; they are never timed tests."""
