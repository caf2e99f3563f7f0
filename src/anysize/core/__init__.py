"""Types, errors and the generators that everything else is built on (NumPy only)."""
