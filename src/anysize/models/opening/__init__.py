"""Opening what is stored: one file for each kind of folder, and the checks that they share."""
