"""When jobs are due and what is owed of them: a pure planner, and the loop that keeps a node's time."""
