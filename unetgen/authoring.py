"""The API for authors of parts: ``from unetgen.authoring import Block, Count, hookimpl``.

Importing this module does not import torch.
"""

from unetgen.config.part_field import In
from unetgen.config.registry.part import Amount, Channels, Count, Factor, Inert, Kernel, Part, Trial
from unetgen.config.spec import DecoderLevel, EncoderLevel
from unetgen.graph.builder import Axes, Builder, Value
from unetgen.graph.external.module_op import Window
from unetgen.graph.ops import Call, Parameter
from unetgen.graph.part_types import (
    Activation,
    Align,
    Attention,
    Block,
    Decoder,
    Downsample,
    Dropout,
    Encoder,
    Features,
    Fusion,
    Gate,
    Head,
    Init,
    Input,
    Maps,
    Norm,
    Shortcut,
    Stride,
    Striding,
    Transform,
    Unit,
    Upsample,
)
from unetgen.graph.size_rule import Rule
from unetgen.hookspecs import hookimpl

__all__ = [
    "Activation", "Align", "Amount", "Attention", "Axes", "Block", "Builder", "Call", "Channels", "Count", "Decoder",
    "DecoderLevel", "Downsample", "Dropout", "Encoder", "EncoderLevel", "Factor", "Features", "Fusion", "Gate", "Head",
    "In", "Inert", "Init", "Input", "Kernel", "Maps", "Norm", "Parameter", "Part", "Rule", "Shortcut", "Stride",
    "Striding", "Transform", "Trial", "Unit", "Upsample", "Value", "Window", "hookimpl",
]  # fmt: skip
