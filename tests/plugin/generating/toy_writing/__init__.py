"""A package that adds a task that generates; nothing of it is in anysize."""
