"""Nothing calls home: the usage statistics of the libraries below are switched off.

OpenVINO and NNCF report their import and every conversion to an analytics service through the
package ``openvino_telemetry``, which writes an identifier into the home folder and starts a process
for each event. Both work without that package.
"""

from __future__ import annotations

import os
import sys
from typing import Any, cast

_PACKAGE = "openvino_telemetry"


def switch_off() -> None:
    """Called before OpenVINO, NNCF and the hub's client are imported.

    The package cannot be imported from then on in this process. Where the program has imported it
    before us, it takes every consent for declined.
    """
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    if sys.modules.get(_PACKAGE) is None:
        # Its users fall back where the import fails (import system, ``sys.modules``).
        cast("dict[str, Any]", sys.modules)[_PACKAGE] = None
        return
    _decline()


def _decline() -> None:
    from openvino_telemetry import main

    main.OptInChecker.check = lambda *_, **__: main.ConsentCheckResult.DECLINED
    main.Telemetry.send_event = lambda *_, **__: None
    instance = getattr(main.Telemetry, "_SingletonMetaClass__single_instance", None)
    if instance is not None:
        instance.consent = False
