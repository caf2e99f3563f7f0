"""More than one process: workers on this machine."""
