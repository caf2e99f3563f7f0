"""Planning inside a memory budget: probe the work, fit its memory, choose, and say why."""
