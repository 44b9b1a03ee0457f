"""Shipped networks for torch.hub: ``torch.hub.load(repo, "unet_paper")``, with spec overrides as keywords."""

dependencies = ["torch", "pydantic", "yaml", "pluggy"]

from unetgen.api import build  # noqa: E402  # any spec: torch.hub.load(repo, "build", "my.yaml")
from unetgen.config.spec_sources import list_shipped_specs as _shipped  # noqa: E402


def _entry(name):
    def network(**overrides):
        return build(name, **overrides)

    network.__name__ = name
    network.__doc__ = f"Build the shipped network {name} with initial weights. Keywords: overrides, ``seed``."
    return network


# torch.hub lists a module's functions, so each network becomes one.
globals().update({_name: _entry(_name) for _name in _shipped()})
