"""Model families, one file each, and what every model is turned into: a ``Network``."""
