"""The use cases, one a file: typed in, typed out. Every door (CLI, web, MCP) calls these and adds nothing of its own."""
