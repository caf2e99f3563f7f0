"""Model families, one file each, and what every model is turned into: a ``Network``."""

from anysize.models import telemetry
from anysize.models.quiet import quiet_imports

# Here, because nothing of ours can import transformers, OpenVINO or NNCF before.
telemetry.switch_off()
quiet_imports()
