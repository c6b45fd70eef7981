"""Where jobs are found, how their files are loaded and checked, and what is kept of those that cannot be."""
