"""Subject: a part that is tried, and the networks that it is tried in."""

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

# Where a part asks for the size itself, the first of these that fits is given.
_CANDIDATE_SIZES = (8, 16, 32, 24, 64, 48, 56, 96, 128, 224, 256)

_REFUSE_HINT = "correct it, or let the part refuse what it cannot do: g.refuse(self, option, why, way_out)"

SEED = 20151005


class Fault(NamedTuple):
    """Something that a part does not do as it should: what, and the way out."""

    what: str
    way: str

    def __str__(self) -> str:
        return f"{self.what}; {self.way}"


class PartBuildError(Exception):
    """A network with the part could not be made; ``fault`` says why."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault))
        self.fault = fault


class Subject:
    """One part with the options that it is tried with."""

    def __init__(self, part: type[Part], registry: Registry | None = None, trial: Trial | None = None) -> None:
        self.part = part
        self.registry = registry or load_registry([part])
        self.trial = trial or part.trial
        self.called = f"{part.slot} {part.type!r}"

    @cached_property
    def name(self) -> str:
        """The name that means this part and no other."""
        names = {entry.part: name for name, entry in self.registry.list_parts(self.part.slot).items()}
        return names[self.part]

    def described(self, options: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The part as a spec writes it, with some options over those it is tried with."""
        return {"type": self.name, **self.trial.options, **(options or {})}

    def spec(self, dims: int, options: Mapping[str, Any] | None = None, *, whole: bool = False) -> SpecData:
        """The spec of a small network with the part; ``whole`` has the change of resolution inside it."""
        part = self.described(options)
        if whole:
            return {**build_strided_spec(part, dims), **self.trial.frame}
        spec = {**build_minimal_spec(self.part.slot, part, dims), **self.trial.frame}
        if self.part.slot in SIDES:
            self._remove_unused_slots(spec, part, dims)
        return spec

    def _remove_unused_slots(self, spec: SpecData, part: dict[str, Any], dims: int) -> None:
        """Takes out of a spec what an encoder or decoder sees to itself."""
        for slot in set(SIDES[self.part.slot]) - {"block", *self.part.uses}:  # type: ignore[attr-defined]  # both kinds say so
            spec.pop(slot, None)
        read = validate_part(self.part.slot, part, ValidationContext(self.registry, dims))
        if (depth := getattr(read, "own_depth", None)) is not None:
            del spec["widths"]
            spec.setdefault("decoder", {"widths": [8] * depth})

    # Networks

    @cached_property
    def networks(self) -> dict[str, UNet]:
        """A network of each number of dimensions in which the part can be drawn: ``2-D``, ``2-D, strided``."""
        made: dict[str, UNet] = {}
        for dims in (1, 2, 3):
            for whole in (False, True) if issubclass(self.part, Striding) else (False,):
                network = self.network(self.spec(dims, whole=whole)) if self._options_valid_for(dims) else None
                if network is not None:
                    made[f"{dims}-D{', strided' if whole else ''}"] = network
        return made

    @property
    def usual(self) -> UNet:
        """The network of two dimensions, or what there is."""
        networks = self.networks
        if not networks:
            way = "let it be drawn in one, or say in its `trial` with which options it can be tried"
            raise PartBuildError(Fault(f"it is drawn in no number of dimensions: {self.refusals[0]}", way))
        return networks.get("2-D") or next(iter(networks.values()))

    @cached_property
    def refusals(self) -> list[str]:
        """What was said where a network could not be drawn."""
        return []

    def network(self, spec: SpecData, seed: int = SEED) -> UNet | None:
        """The network of a spec, or None where the part refuses it. Raises Broken where it fails."""
        for more in ({}, *({"input_size": [size] * spec["dims"]} for size in _CANDIDATE_SIZES)):
            try:
                return build({**spec, **more}, seed=seed, registry=self.registry)
            except SpecError as error:
                self.refusals.append(error.problems[0].message)
                if not more and not any("needs to know the size" in p.message for p in error.problems):
                    return None
            except PluginError as error:
                raise PartBuildError(Fault(f"it cannot be built in {spec['dims']}-D: {error}", _REFUSE_HINT)) from error
            except Exception as error:
                raise PartBuildError(
                    Fault(f"it cannot be built in {spec['dims']}-D: {format_exception_line(error)}", _REFUSE_HINT)
                ) from error
        return None

    def _options_valid_for(self, dims: int) -> bool:
        """Whether the part's own options can be read in so many dimensions."""
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


def find_small_sizes(model: UNet) -> list[tuple[int, ...]]:
    """A small size that fits, one with odd axes, and one of unequal axes, as far as there are such."""
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
