"""The command functions: settings and params in, `CommandResult` out. Each opens what it needs and calls one operation."""
