"""Apply the plugin transforms that a spec names under ``model_built`` to the finished network."""

from __future__ import annotations

from unetgen.config.registry.registry import Registry
from unetgen.errors import PluginError, format_exception_line
from unetgen.network.unet import UNet


def apply_plugin_transforms(model: UNet, registry: Registry) -> UNet:
    """Apply all transforms of a network's spec, in order.

    Args:
        model: The finished network.
        registry: The registry with the plugins that the spec names.

    Returns:
        The network, changed in place or replaced by a transform.

    Raises:
        PluginError: A transform fails, or returns something else than a network.
    """
    for name in model.spec.model_built:
        for provider, contributions in registry.iter_contributions(name):
            if (hook := contributions.find_hook("unetgen_model_built")) is None:
                continue
            try:
                result = hook(model=model, spec=model.spec)
            except Exception as error:
                message = f"plugin {provider} failed to transform the finished network"
                raise PluginError.from_failure(f"{message}: {format_exception_line(error)}", str(provider)) from error
            if not isinstance(result, UNet | None):
                message = f"unetgen_model_built of plugin {provider} returned a {type(result).__name__}"
                raise PluginError(
                    f"{message}; return the UNet, or None if it was changed in place", provider=str(provider)
                )
            model = result or model
    return model
