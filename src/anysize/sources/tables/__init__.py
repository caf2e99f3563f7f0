"""What opening a table takes: its dialect, its bytes, its rows and cells."""
