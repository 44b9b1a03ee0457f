"""The shipped networks for torch.hub: ``torch.hub.load(place, "unet_paper")``, with overrides as keywords."""

dependencies = ["torch", "pydantic", "yaml", "pluggy"]

from unetgen.api import build  # noqa: E402  # any spec: torch.hub.load(place, "build", "my.yaml")
from unetgen.config.spec_sources import list_shipped_specs as _shipped  # noqa: E402


def _entry(name):
    def network(**overrides):
        return build(name, **overrides)

    network.__name__ = name
    network.__doc__ = f"The shipped network {name}, with first weights. Keywords are overrides of its spec, and seed."
    return network


# torch.hub lists what a module has, so each network is given to it by its name.
globals().update({_name: _entry(_name) for _name in _shipped()})
