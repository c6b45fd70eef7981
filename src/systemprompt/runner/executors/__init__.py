"""The ways to run a job: a task of an event loop, a thread, a process group of its own."""
