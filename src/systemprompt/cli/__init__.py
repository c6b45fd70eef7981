"""The command line: parse, call one operation, show. Nothing is decided here.

Nothing is imported here either: `systemprompt.cli.main` is on the path of every command.
"""
