"""The command line: thin commands over ``anysize.api``."""
