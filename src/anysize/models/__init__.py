"""Model families, one file each, and what every model is turned into: a ``Network``."""

from anysize.models.quiet import quiet_imports

# Here, because nothing of this room can import transformers before.
quiet_imports()
