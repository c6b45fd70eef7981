"""Built-in jobs that read content from files, and publish it."""
