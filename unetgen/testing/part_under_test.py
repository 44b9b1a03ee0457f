"""The part under test, and the small networks that contain it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, NamedTuple

from pydantic import ValidationError

from unetgen.api import build
from unetgen.config.part_field import ValidationContext, validate_part
from unetgen.config.registry.part import Part, Trial
from unetgen.config.registry.registry import Registry
from unetgen.config.registry.slots import SIDES
from unetgen.errors import PluginError, SpecError, format_exception_line
from unetgen.graph.part_types import Striding
from unetgen.network.unet import UNet
from unetgen.plugins import load_registry
from unetgen.testing.minimal_specs import SpecData, build_minimal_spec, build_strided_spec

# If a part needs to know the input size, the first of these that fits is used.
_CANDIDATE_SIZES = (8, 16, 32, 24, 64, 48, 56, 96, 128, 224, 256)

_REJECT_HINT = "fix the part, or reject unsupported options: g.refuse(self, option, message, hint)"

SEED = 20151005


class Fault(NamedTuple):
    """A failed check.

    Attributes:
        what: What is wrong, in one sentence.
        way: The fix, as an imperative.

    Examples:
        >>> print(Fault("option 'depth' has no effect", "use it or remove it"))
        option 'depth' has no effect; use it or remove it
    """

    what: str
    way: str

    def __str__(self) -> str:
        return f"{self.what}; {self.way}"


class PartBuildError(Exception):
    """A network with the part cannot be built; ``fault`` has the reason."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault))
        self.fault = fault


class Subject:
    """A part under test, with the options that it is checked with.

    Args:
        part: The part's class.
        registry: A registry with the part and all parts that it uses (default: the installed parts and this one).
        trial: The options to check the part with (default: the part's own ``trial``).

    Attributes:
        called: The part's name in messages, such as ``block 'conv'``.

    Examples:
        >>> import unetgen
        >>> from unetgen.parts.layers.activations import Relu
        >>> subject = Subject(Relu, unetgen.load_registry())
        >>> subject.called
        "activation 'relu'"
        >>> list(subject.networks)
        ['1-D', '2-D', '3-D']
    """

    def __init__(self, part: type[Part], registry: Registry | None = None, trial: Trial | None = None) -> None:
        self.part = part
        self.registry = registry or load_registry([part])
        self.trial = trial or part.trial
        self.called = f"{part.slot} {part.type!r}"

    @cached_property
    def name(self) -> str:
        """The name that identifies the part in its registry."""
        names = {entry.part: name for name, entry in self.registry.list_parts(self.part.slot).items()}
        return names[self.part]

    def described(self, options: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the part as in a spec, with ``type`` and options.

        Args:
            options: Options that override those of the trial.

        Returns:
            The part as plain data.
        """
        return {"type": self.name, **self.trial.options, **(options or {})}

    def spec(self, dims: int, options: Mapping[str, Any] | None = None, *, whole: bool = False) -> SpecData:
        """Return the spec of a small network with the part.

        Args:
            dims: The number of spatial dimensions.
            options: Options of the part that override those of the trial.
            whole: Whether the part, a block, also changes the resolution.

        Returns:
            The spec as plain data.

        Raises:
            ValueError: An encoder or decoder has invalid options.
        """
        part = self.described(options)
        if whole:
            return {**build_strided_spec(part, dims), **self.trial.frame}
        spec = {**build_minimal_spec(self.part.slot, part, dims), **self.trial.frame}
        if self.part.slot in SIDES:
            self._remove_unused_slots(spec, part, dims)
        return spec

    def _remove_unused_slots(self, spec: SpecData, part: dict[str, Any], dims: int) -> None:
        """Remove the keys of a spec that an encoder or decoder does not read."""
        for slot in set(SIDES[self.part.slot]) - {"block", *self.part.uses}:  # type: ignore[attr-defined]  # encoders and decoders have it
            spec.pop(slot, None)
        validated = validate_part(self.part.slot, part, ValidationContext(self.registry, dims))
        if (depth := getattr(validated, "own_depth", None)) is not None:
            del spec["widths"]
            spec.setdefault("decoder", {"widths": [8] * depth})

    # Networks

    @cached_property
    def networks(self) -> dict[str, UNet]:
        """The networks with the part that can be built, by their names: ``2-D``, ``2-D, strided``."""
        networks: dict[str, UNet] = {}
        for dims in (1, 2, 3):
            for is_strided in (False, True) if issubclass(self.part, Striding) else (False,):
                network = self.network(self.spec(dims, whole=is_strided)) if self._has_valid_options(dims) else None
                if network is not None:
                    networks[f"{dims}-D{', strided' if is_strided else ''}"] = network
        return networks

    @property
    def usual(self) -> UNet:
        """The two-dimensional network, or the first one if the part does not support 2-D."""
        networks = self.networks
        if not networks:
            fix = "support one of them, or set the required options in the part's `trial`"
            raise PartBuildError(Fault(f"the part cannot be built in 1-D, 2-D or 3-D: {self.refusals[0]}", fix))
        return networks.get("2-D") or next(iter(networks.values()))

    @cached_property
    def refusals(self) -> list[str]:
        """The messages of networks that could not be built."""
        return []

    def network(self, spec: SpecData, seed: int = SEED) -> UNet | None:
        """Build the network of a spec.

        Args:
            spec: The spec as plain data; if the part needs an input size, several sizes are tried.
            seed: The seed of the initial weights.

        Returns:
            The network, or None if the spec is invalid; the reason is added to ``refusals``.

        Raises:
            PartBuildError: The part raises an unexpected exception.
        """
        for size_setting in ({}, *({"input_size": [size] * spec["dims"]} for size in _CANDIDATE_SIZES)):
            try:
                return build({**spec, **size_setting}, seed=seed, registry=self.registry)
            except SpecError as error:
                self.refusals.append(error.problems[0].message)
                if not size_setting and not any("needs to know the size" in p.message for p in error.problems):
                    return None
            except PluginError as error:
                raise PartBuildError(_build_fault(spec, str(error))) from error
            except Exception as error:
                raise PartBuildError(_build_fault(spec, format_exception_line(error))) from error
        return None

    def _has_valid_options(self, dims: int) -> bool:
        """Check whether the part's options are valid for a number of dimensions."""
        try:
            self.spec(dims)
        except ValidationError as error:
            detail = error.errors(include_url=False)[0]
            self.refusals.append(f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}")
            return False
        except ValueError as error:
            self.refusals.append(format_exception_line(error))
            return False
        return True


def _build_fault(spec: SpecData, reason: str) -> Fault:
    return Fault(f"the part cannot be built in {spec['dims']}-D: {reason}", _REJECT_HINT)


def find_small_sizes(model: UNet) -> list[tuple[int, ...]]:
    """Return up to three small sizes that fit: the smallest from 8 on, one with odd axes, one with unequal axes."""
    fits = model.graph.fits
    small = tuple(n for fit in fits if (n := fit.smallest_above(7)) is not None)
    if len(small) < len(fits):
        return []
    odd = tuple(
        next((n for n in range(s, s + 24) if n % 2 and n in fit), s) for s, fit in zip(small, fits, strict=True)
    )
    longer = fits[-1].smallest_above(small[-1])
    unequal = (*small[:-1], longer) if longer is not None else small
    return list(dict.fromkeys((small, odd, unequal)))
