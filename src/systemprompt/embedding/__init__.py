"""A node inside a program of yours.

node.py           `systemprompt.node(...)`: the way in and out
serving_node.py   what its `with` and `async with` hand over
"""
