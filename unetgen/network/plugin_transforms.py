"""What plugins make of a finished network: the transforms that its spec names under ``model_built``."""

from __future__ import annotations

from unetgen.config.registry.registry import Registry
from unetgen.errors import PluginError, format_exception_line
from unetgen.network.unet import UNet


def apply_plugin_transforms(model: UNet, registry: Registry) -> UNet:
    """The network after all its spec's transforms, in their order. Raises PluginError where one fails."""
    for name in model.spec.model_built:
        for provider, gifts in registry.iter_contributions(name):
            if (hook := gifts.find_hook("unetgen_model_built")) is None:
                continue
            try:
                made = hook(model=model, spec=model.spec)
            except Exception as error:
                message = f"plugin {provider} failed to transform the finished network"
                raise PluginError(f"{message}: {format_exception_line(error)}") from error
            if not isinstance(made, UNet | None):
                message = f"plugin {provider} made a {type(made).__name__} of the finished network"
                raise PluginError(
                    f"{message}; unetgen_model_built returns the UNet, or None where it changed it in place"
                )
            model = made or model
    return model
