"""The one module of this plugin: a backbone of timm that returns its features as (channels, height, width)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from unetgen_timm import library
from unetgen_timm.weights import load_from_file, load_from_timm

timm = library.import_timm()


class Backbone(nn.Module):
    """Features of an image, (batch, in_chans, height, width) -> one map for each of ``out_indices``.

    ``options`` go to timm as they are. What the first ``frozen`` stages are made of learns nothing, and stays in
    evaluation mode whatever the network does. ``pretrained`` and ``weights`` are for first weights: timm's own, or
    those of a file.
    """

    def __init__(
        self,
        name: str,
        in_chans: int,
        out_indices: Sequence[int] | None = None,
        options: Mapping[str, Any] | None = None,
        frozen: int = 0,
        pretrained: bool = False,
        weights: str | None = None,
    ) -> None:
        super().__init__()
        given = {key: tuple(value) if isinstance(value, list) else value for key, value in (options or {}).items()}
        taken = {"out_indices": tuple(out_indices)} if out_indices else {}
        asked = {"in_chans": in_chans, **taken, **given}
        self.net: nn.Module
        if weights is not None:
            self.net = load_from_file(name, weights, **asked)
        elif pretrained:
            self.net = load_from_timm(name, **asked)
        else:
            self.net = timm.create_model(name, features_only=True, **asked)
        self.channels_last = str(getattr(self.net, "output_fmt", "")).endswith("NHWC")
        _drop_weight_sources(self.net)
        self.frozen_modules = _freeze_stages(self.net, name, given, frozen) if frozen else ()
        self.train(self.training)

    def forward(self, x: Tensor) -> list[Tensor]:
        maps = self.net(x)
        return [m.permute(0, 3, 1, 2) for m in maps] if self.channels_last else list(maps)

    def train(self, mode: bool = True) -> Backbone:
        """Sets the mode of everything but the frozen stages, whose norms would go on counting."""
        super().train(mode)
        for path in self.frozen_modules:
            self.net.get_submodule(path).eval()
        return self

    def extra_repr(self) -> str:
        return f"frozen: {', '.join(self.frozen_modules)}" if self.frozen_modules else ""


def _drop_weight_sources(net: nn.Module) -> None:
    """Drops where timm has its weights from: it may hold a whole file of them, and nothing reads it any more."""
    for module in net.modules():
        for name in ("pretrained_cfg", "default_cfg"):
            module.__dict__.pop(name, None)


def _freeze_stages(net: nn.Module, name: str, options: dict[str, Any], count: int) -> tuple[str, ...]:
    """Switches off the parameters of the first stages; returns the largest modules that have no others."""
    from unetgen_timm.stages import find_stage_parameters

    first = find_stage_parameters(name, count, tuple(sorted(options.items())))
    for path, parameter in net.named_parameters():
        parameter.requires_grad_(path not in first)
    still = {
        path
        for path, module in net.named_modules()
        if path and not any(p.requires_grad for p in module.parameters()) and list(module.parameters())
    }
    return tuple(path for path, _ in net.named_modules() if path in still and path.rpartition(".")[0] not in still)
