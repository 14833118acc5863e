"""Landing → tables. Of each step's package, `step` plans, hands out tasks and commits once; `tasks` are pure work."""
