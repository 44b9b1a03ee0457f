"""Sweep: the variants of a base spec, one after the other. Nothing is kept of a variant but its hash."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from unetgen.ablation.axis import Combination, overlay_of, told
from unetgen.ablation.choices import BASE, Choices
from unetgen.ablation.from_yaml.sweep_file import SweepFile, read_sweep
from unetgen.ablation.matching.budget import Budget
from unetgen.ablation.matching.ladder import ladder_of
from unetgen.ablation.matching.search import Match, matched
from unetgen.ablation.outcome import Duplicate, Failed, Invalid, LeftOut, Unmatched
from unetgen.ablation.variant import Variant
from unetgen.ablation.where.told import Told
from unetgen.config.from_yaml import resolve
from unetgen.config.header import Header
from unetgen.config.known_parts import KnownParts
from unetgen.config.library import overridden
from unetgen.config.node import Node, from_data
from unetgen.config.overlay import NOT_INHERITED, merge
from unetgen.config.registry import Registry
from unetgen.config.spec import Spec
from unetgen.errors import PluginError, Problem, SpecError
from unetgen.graph.from_spec import draw
from unetgen.graph.ops.base import Size
from unetgen.graph.size import fits
from unetgen.outputs.report import Report
from unetgen.plugins import load_registry

Outcome = Variant | Invalid | Unmatched | Duplicate | LeftOut | Failed


def sweep(
    source: str | Path | Mapping[str, Any], *, registry: Registry | None = None, input_size: Size | None = None
) -> Sweep:
    """The sweep that a file, YAML text or a mapping describes; to iterate over it gives its variants.

    ``input_size`` is laid over the base; one number is for all axes. Raises SpecError where the file or the base is
    wrong.
    """
    registry = registry or load_registry()
    return Sweep(read_sweep(source, registry), registry, input_size)


class Sweep:
    """A sweep's file with its base drawn. Each variant is validated and measured as if it had been written by hand."""

    def __init__(self, file: SweepFile, registry: Registry, input_size: Size | None = None) -> None:
        self.file, self.registry = file, registry
        self._known = KnownParts()
        self.laid_over_base = {"input_size": _for_all_axes(input_size, file.base)} if input_size else {}
        tree = overridden(file.base, self.laid_over_base, "--input-size") if input_size else file.base
        self.tree = tree.without(*NOT_INHERITED)
        base = self._resolved(tree)
        self.base = Report.of(base, draw(base))
        budget = file.budget
        self.target = (budget.target or budget.measure.of(self.base)) if budget else 0
        self.choices = Choices(lambda overlay: self._measured(merge(self.tree, overlay)), self.base.spec.hash)

    def __iter__(self) -> Iterator[Variant]:
        """The valid variants. With ``on_invalid`` other than ``skip`` the others raise SpecError, first or last."""
        problems: list[Problem] = []
        for outcome in self.outcomes():
            if isinstance(outcome, Variant):
                yield outcome
            elif isinstance(outcome, Failed):
                raise outcome.error
            elif isinstance(outcome, (Invalid, Unmatched)) and self.file.on_invalid != "skip":
                problems += [replace(p, message=f"in {outcome.words}: {p.message}") for p in outcome.problems]
                if self.file.on_invalid == "error":
                    break
        if problems:
            raise SpecError(problems)

    @property
    def count(self) -> int:
        """How many combinations there are to be looked at, before any is left out."""
        size = self.file.mode.count(self.file.axes)
        return min(size, self.file.mode.n or size)

    def outcomes(self) -> Iterator[Outcome]:
        """What becomes of each combination, in the order of the mode."""
        seen: dict[str, str] = {}
        counted = 0
        for combination in self.file.mode.combinations(self.file.axes):
            words = self.choices.words(combination)
            if words == BASE and combination and self.file.mode.name == "one_at_a_time":
                continue  # an axis that also lists the base's own value means the base
            outcome = self._outcome(words, combination, seen)
            yield outcome
            # Of a sample only what the conditions let through is counted.
            counted += not isinstance(outcome, LeftOut)
            if counted == self.file.mode.n:
                return

    def _outcome(self, words: str, combination: Combination, seen: dict[str, str]) -> Outcome:
        overlay = overlay_of(combination, self.choices.says_nothing)
        tree = merge(self.tree, overlay)
        tried = self._tried(tree)
        if not self._wanted(words, combination, overlay, tried):
            return LeftOut(words)
        try:
            if not isinstance(tried, Spec):
                raise tried
            return self._become(words, combination, tree, tried, seen)
        except SpecError as error:
            return Invalid(words, self.choices.blamed(combination, error.problems))
        except PluginError as error:
            return Failed(words, error)

    def _become(self, words: str, combination: Combination, tree: Node, spec: Spec, seen: dict[str, str]) -> Outcome:
        """What a combination that is a valid spec becomes. Raises SpecError where it is no network."""
        report, match = self._report(spec), None
        twin = self._twin(report.spec, combination, seen)
        if twin is None and self.file.budget is not None:
            match = self._match(tree, report, self.file.budget)
            if not match.within:
                return Unmatched(words, match)
            report = match.reached.report
            twin = self._twin(report.spec, combination, seen, rescaled=True) if match.settings else None
        return twin or Variant(words, combination, report, match)

    def _match(self, tree: Node, report: Report, budget: Budget) -> Match:
        def rescaled(values: Mapping[str, Any]) -> Report:
            return self._measured(overridden(tree, values, "match"))

        return matched(rescaled, report, ladder_of(report.spec, budget, self.base.spec), budget, self.target)

    def _measured(self, tree: Node) -> Report:
        return self._report(self._resolved(tree))

    def _report(self, spec: Spec) -> Report:
        """A variant at its input size; where it names none, at the base's if that fits."""
        graph, size = draw(spec), self.base.input_size
        if spec.input_size is None and len(size) == spec.dims and fits(graph, size):
            return Report.of(spec, graph, size, assumed=True)
        return Report.of(spec, graph)

    def resolved(self, overlay: Node) -> Spec:
        """The base with something laid over it. Raises SpecError, and PluginError where a plugin fails."""
        return self._resolved(merge(self.tree, overlay))

    def _resolved(self, tree: Node) -> Spec:
        return resolve(tree, self.registry, self._known)

    def _tried(self, tree: Node) -> Spec | SpecError | PluginError:
        try:
            return self._resolved(tree)
        except (SpecError, PluginError) as error:
            return error

    def _wanted(
        self, words: str, combination: Combination, overlay: Node, tried: Spec | SpecError | PluginError
    ) -> bool:
        """Whether the conditions let a combination through, as it resolves, or as it is written if it does not."""
        if not self.file.where:
            return True
        if isinstance(tried, Spec):
            said = from_data(tried.resolved(), "")
        else:
            said = merge(from_data(self.base.spec.resolved(), ""), overlay)
        values = Told(said, {axis.name: choice.label for axis, choice in combination if axis.named})
        return all(condition.holds(values, words) for condition in self.file.where)

    def _twin(
        self, spec: Spec, combination: Combination, seen: dict[str, str], *, rescaled: bool = False
    ) -> Duplicate | None:
        """The earlier combination that is the same network, if there is one; else this one is remembered.

        What is the base only once it is rescaled is no variant under another name, whether the base is one or not.
        """
        settings = ", ".join(told(axis, choice) for axis, choice in combination) or BASE
        earlier = seen.get(spec.hash, BASE if rescaled and spec.hash == self.base.spec.hash else None)
        if earlier is not None:
            return Duplicate(f"{settings} when matched" if rescaled else settings, earlier)
        seen[spec.hash] = settings
        return None


def _for_all_axes(size: Size, base: Node) -> list[int]:
    """A size, or one number for each axis of the base."""
    dims = base.mapping["dims"].value if "dims" in base.mapping else Header.model_fields["dims"].default
    return list(size * dims) if len(size) == 1 and isinstance(dims, int) else list(size)
