"""How we talk to a database: opening, waiting, and what its errors mean. Knows no table of ours."""
