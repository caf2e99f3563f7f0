"""Parallel text: a file for each language, whose lines belong together."""
