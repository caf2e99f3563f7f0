"""What keeps methods from a bundle, and rules that their parameters share."""

from __future__ import annotations

from anysize.models.network import Network

_COMPILED = "it has been compiled already; take the bundle that it was made from"


def weight_problems(network: Network) -> list[str]:
    """Why a network has no weights that could be changed or compiled, one sentence each."""
    if network.form is not None:
        return [_COMPILED]
    return runtime_problems(network)


def runtime_problems(network: Network) -> list[str]:
    """Why a network that only its own module runs cannot become another one."""
    module = network.module
    if not getattr(module, "own_runtime", False):
        return []
    found = "its module brings a runtime of its own"
    if getattr(module, "rewritable", False) or getattr(module, "files", ()):
        found += (
            ", which runs no graph and no other layers: use int8-weights or bf16, which change how "
            "its weights are stored"
        )
    return [found]


def stored_problems(network: Network) -> list[str]:
    """Why a network has no weights that could be stored otherwise."""
    if network.form is not None:
        return [_COMPILED]
    return [] if getattr(network.module, "rewritable", False) else runtime_problems(network)


def graph_problems(network: Network) -> list[str]:
    """Why there is no graph of a network's outputs that could be compiled."""
    if found := weight_problems(network):
        return found
    # Whisper's classifiers have the configuration of a model that writes, and its encoder alone.
    if not network.has_graph:
        return [
            "it is for models that answer in one run, and this one writes token by token: use "
            "int8-ctranslate2, int8-weights or int4-weights"
        ]
    return []


def tuning_problems(epochs: float, learning_rate: float | None) -> list[str]:
    """A sentence for each setting of fine-tuning that breaks its rule."""
    problems = []
    if not 0 <= epochs <= 1e6:
        problems.append(f"epochs must be from 0 to 1e6, not {epochs:g}")
    if learning_rate is not None and not 0 < learning_rate <= 1e3:
        problems.append(f"learning_rate must be above 0 and at most 1000, not {learning_rate:g}")
    return problems
