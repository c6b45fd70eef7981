"""A node on a manual clock over a ledger in memory: a month of fire times in a second, and nothing real is touched.

simulated_system.py   the installation: chosen jobs, a ledger in memory, a database in a folder to throw away
simulated_node.py     the node: the real planner and ledger; its time passes when it is told to
"""
