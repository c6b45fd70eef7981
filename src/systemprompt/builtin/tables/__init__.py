"""The tables that the built-in jobs work on: made, found under a host application's names, and changed in short transactions."""
