"""unetgen: build U-Nets from YAML specs, which are checked, measured and drawn before any tensor is allocated."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unetgen.ablation.runs.run import run
    from unetgen.ablation.runs.trial_function import trial
    from unetgen.ablation.sweeps.sweep import sweep
    from unetgen.api import build, draw, graph_of, load, load_spec, specs
    from unetgen.config.spec import Spec
    from unetgen.errors import PluginError, SizeError, SpecError, UnetgenError, UnetgenWarning, WeightsError
    from unetgen.hookspecs import hookimpl
    from unetgen.hub.loading import from_pretrained
    from unetgen.network.weights.checkpoint import load_weights, save
    from unetgen.network.weights.importing import import_weights
    from unetgen.optimization.optimized import optimize
    from unetgen.plugins import load_registry

# The module of each public name. Importing unetgen imports none of them, and torch only when a network is built.
_MODULE_OF_NAME = {
    "build": "unetgen.api",
    "draw": "unetgen.api",
    "from_pretrained": "unetgen.hub.loading",
    "graph_of": "unetgen.api",
    "load_spec": "unetgen.api",
    "specs": "unetgen.api",
    "Spec": "unetgen.config.spec",
    "UnetgenError": "unetgen.errors",
    "UnetgenWarning": "unetgen.errors",
    "SpecError": "unetgen.errors",
    "SizeError": "unetgen.errors",
    "PluginError": "unetgen.errors",
    "WeightsError": "unetgen.errors",
    "hookimpl": "unetgen.hookspecs",
    "load_registry": "unetgen.plugins",
    "import_weights": "unetgen.network.weights.importing",
    "load": "unetgen.api",
    "load_weights": "unetgen.network.weights.checkpoint",
    "optimize": "unetgen.optimization.optimized",
    "save": "unetgen.network.weights.checkpoint",
    "run": "unetgen.ablation.runs.run",
    "sweep": "unetgen.ablation.sweeps.sweep",
    "trial": "unetgen.ablation.runs.trial_function",
}

__all__ = [
    "PluginError",
    "SizeError",
    "Spec",
    "SpecError",
    "UnetgenError",
    "UnetgenWarning",
    "WeightsError",
    "build",
    "draw",
    "from_pretrained",
    "graph_of",
    "hookimpl",
    "import_weights",
    "load",
    "load_registry",
    "load_spec",
    "load_weights",
    "optimize",
    "run",
    "save",
    "specs",
    "sweep",
    "trial",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("unetgen")
    if name in _MODULE_OF_NAME:
        return getattr(import_module(_MODULE_OF_NAME[name]), name)
    raise AttributeError(f"module 'unetgen' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
