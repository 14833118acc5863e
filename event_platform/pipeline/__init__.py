"""Landing → tables. In a step's package, `step` plans and runs tasks and commits once; `tasks` has their functions."""
