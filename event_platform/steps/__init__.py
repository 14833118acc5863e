"""The steps of the flow: pin what is read, hand out tasks, commit once per table, start over on a conflict."""
