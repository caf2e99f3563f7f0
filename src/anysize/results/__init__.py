"""What becomes of results: rows with the columns that are carried along, files, pictures."""
