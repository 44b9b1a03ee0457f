"""Generate the variants of a base spec one by one; only their hashes are kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from unetgen.ablation.sweeps.axis import Combination, build_overlay, describe_choice
from unetgen.ablation.sweeps.choice_effects import BASE_LABEL, ChoiceEffects
from unetgen.ablation.sweeps.conditions.spec_values import SpecValues
from unetgen.ablation.sweeps.confounders import find_confounders
from unetgen.ablation.sweeps.definition.sweep_file import SweepDefinition, read_sweep_definition
from unetgen.ablation.sweeps.held_size import choose_input_size, keeps_resolution
from unetgen.ablation.sweeps.matching.budget import Budget
from unetgen.ablation.sweeps.matching.match import Match
from unetgen.ablation.sweeps.matching.scale_grid import build_scale_grid
from unetgen.ablation.sweeps.matching.search import match_to_budget
from unetgen.ablation.sweeps.outcome import BudgetNotReached, Duplicate, Excluded, Invalid, PluginFailed
from unetgen.ablation.sweeps.settings_diff import flatten_settings
from unetgen.ablation.sweeps.variant import Variant
from unetgen.analysis.report import NetworkReport, format_shape
from unetgen.config.overlay import NOT_INHERITED, merge
from unetgen.config.part_cache import PartCache
from unetgen.config.registry.registry import Registry
from unetgen.config.spec import Spec
from unetgen.config.spec_resolution import resolve
from unetgen.config.spec_sources import apply_overrides
from unetgen.config.top_level import TopLevelFields
from unetgen.config.yaml.tree import YamlNode, from_data
from unetgen.errors import PluginError, Problem, SpecError
from unetgen.graph.from_spec import build_graph
from unetgen.graph.ops.base import Size
from unetgen.graph.size_errors import accepts_size
from unetgen.plugins import load_registry

Outcome = Variant | Invalid | BudgetNotReached | Duplicate | Excluded | PluginFailed


def sweep(
    source: str | Path | Mapping[str, Any], *, registry: Registry | None = None, input_size: Size | None = None
) -> Sweep:
    """Read a sweep; iterate over it to get its variants.

    Args:
        source: A sweep file's path, YAML text or a mapping.
        registry: The available parts (default: the installed ones).
        input_size: Overrides the input size of the base; a single number applies to all spatial dimensions.

    Returns:
        The sweep. Variants are built during iteration.

    Raises:
        SpecError: The file or the base is invalid; has all problems.
        MissingDependencyError: The file has conditions and simpleeval is not installed.

    Examples:
        >>> import unetgen
        >>> source = {"base": "unet_milesial", "axes": {"skip.fusion": ["concat", "add"]}}
        >>> [variant.label for variant in unetgen.sweep(source)]
        ['base', 'skip.fusion=add']
    """
    registry = registry or load_registry()
    return Sweep(read_sweep_definition(source, registry), registry, input_size)


class Sweep:
    """A sweep file with its base. Each variant is validated and analysed like a spec written by hand."""

    def __init__(self, definition: SweepDefinition, registry: Registry, input_size: Size | None = None) -> None:
        self.definition, self.registry = definition, registry
        self._part_cache = PartCache()
        self.base_overrides = {"input_size": _expand_size(input_size, definition.base)} if input_size else {}
        tree = apply_overrides(definition.base, self.base_overrides, "--input-size") if input_size else definition.base
        self.base_tree = tree.without(*NOT_INHERITED)
        base = self._resolve(tree)
        self.base_report = NetworkReport.of(base, build_graph(base))
        self.window = self._find_window()
        self._base_settings = flatten_settings(self.base_report.spec)
        budget = definition.budget
        self.target = (budget.target or budget.metric.compute(self.base_report)) if budget else 0
        self.choice_effects = ChoiceEffects(
            lambda overlay: self._build_report_from_tree(merge(self.base_tree, overlay)), self.base_report.spec.hash
        )

    def __iter__(self) -> Iterator[Variant]:
        """Yield the valid variants.

        Raises:
            SpecError: Combinations are invalid or do not reach the budget: at the first one if ``on_invalid`` is
                ``error``, after the last variant if it is ``report``.
            PluginError: A plugin failed.
        """
        problems: list[Problem] = []
        for outcome in self.outcomes():
            if isinstance(outcome, Variant):
                yield outcome
            elif isinstance(outcome, PluginFailed):
                raise outcome.error
            elif isinstance(outcome, (Invalid, BudgetNotReached)) and self.definition.on_invalid != "skip":
                problems += [replace(p, message=f"in {outcome.label}: {p.message}") for p in outcome.problems]
                if self.definition.on_invalid == "error":
                    break
        if problems:
            raise SpecError(problems)

    @property
    def count(self) -> int:
        """The number of combinations, before conditions exclude any."""
        size = self.definition.mode.count_combinations(self.definition.axes)
        return min(size, self.definition.mode.n or size)

    def outcomes(self) -> Iterator[Outcome]:
        """Yield the outcome of each combination, in the order of the mode."""
        seen: dict[str, str] = {}
        counted = 0
        for combination in self.definition.mode.iter_combinations(self.definition.axes):
            label = self.choice_effects.format_variant_label(combination)
            if label == BASE_LABEL and combination and self.definition.mode.name == "one_at_a_time":
                continue  # a choice that equals the base; the base itself comes first anyway
            outcome = self._evaluate_combination(label, combination, seen)
            yield outcome
            # A sample counts only combinations that meet the conditions.
            counted += not isinstance(outcome, Excluded)
            if counted == self.definition.mode.n:
                return

    def _evaluate_combination(self, label: str, combination: Combination, seen: dict[str, str]) -> Outcome:
        overlay = build_overlay(combination, self.choice_effects.equals_base)
        tree = merge(self.base_tree, overlay)
        spec_or_error = self._resolve_or_error(tree)
        if not self._passes_conditions(label, combination, overlay, spec_or_error):
            return Excluded(label)
        try:
            if not isinstance(spec_or_error, Spec):
                raise spec_or_error
            return self._build_outcome(label, combination, tree, spec_or_error, seen)
        except SpecError as error:
            return Invalid(label, self.choice_effects.attribute_problems(combination, error.problems))
        except PluginError as error:
            return PluginFailed(label, error)

    def _find_window(self) -> Size | None:
        """Return the output size that all variants cover; None if the sweep does not hold one fixed."""
        node = self.definition.root.mapping.get("hold")
        if node is not None and self.base_report.is_size_assumed:
            hint = "set the base's input_size, or delete 'hold'"
            raise SpecError([node.key_problem("no_effect", "'hold' has no effect: the base has no input_size", hint)])
        is_held = self.definition.held_size == "output" and not self.base_report.is_size_assumed
        return self.base_report.out_shape[1:] if is_held and keeps_resolution(self.base_report.graph) else None

    def _build_outcome(
        self, label: str, combination: Combination, tree: YamlNode, spec: Spec, seen: dict[str, str]
    ) -> Outcome:
        """Return the outcome of a valid spec. Raises SpecError if its graph cannot be built."""
        report, size = self._build_held_report(tree, spec)
        if size is not None:
            tree = apply_overrides(tree, {"input_size": list(size)}, "hold")
        match: Match | None = None
        duplicate = self._find_duplicate(report.spec, combination, seen)
        if duplicate is None and self.definition.budget is not None:
            match = self._match_to_budget(tree, report, self.definition.budget)
            if not match.is_within_tolerance:
                return BudgetNotReached(label, match)
            report = match.best.report
            if match.settings:
                duplicate = self._find_duplicate(report.spec, combination, seen, rescaled=True)
        if duplicate is not None:
            return duplicate
        confounders = find_confounders(self._base_settings, flatten_settings(report.spec), combination)
        return Variant(label, combination, report, match, size, confounders)

    def _build_held_report(self, tree: YamlNode, spec: Spec) -> tuple[NetworkReport, Size | None]:
        """Analyse a variant at the input size that ``hold`` asks for; return it if it is not the base's."""
        base = self.base_report.spec
        held = "input" if base.input_size is None or spec.input_size != base.input_size else self.definition.held_size
        if held == "input" or spec.dims != base.dims:
            return self._build_report(spec), None
        graph = build_graph(spec)
        size = choose_input_size(graph, held, self.base_report.input_size, self.window)
        if size is None and accepts_size(graph, self.base_report.input_size):
            message = f"no input size gives an output of at least {format_shape(self.window or ())}"
            node = self.definition.root.mapping.get("hold", self.definition.root)
            raise SpecError([node.problem("hold", message, "compare at equal inputs with 'hold: input'")])
        if size is None or size == self.base_report.input_size:
            return NetworkReport.of(spec, graph), None
        return self._build_report_from_tree(apply_overrides(tree, {"input_size": list(size)}, "hold")), size

    def describe_held_size(self, num_resized: int) -> str:
        """Return what all variants have in common although some have other input sizes than the base."""
        inputs = f"{num_resized:,} variant{'s' * (num_resized != 1)} with another input size than the base"
        if self.definition.held_size == "nearest_input":
            return (
                f"{inputs}: the nearest to {format_shape(self.base_report.input_size)} that fits (hold: nearest_input)"
            )
        window = format_shape(self.window or ())
        return f"{inputs}: the smallest that outputs {window} or more; compare that output window (hold: output)"

    def _match_to_budget(self, tree: YamlNode, report: NetworkReport, budget: Budget) -> Match:
        def build_rescaled_report(values: Mapping[str, Any]) -> NetworkReport:
            return self._build_report_from_tree(apply_overrides(tree, values, "match"))

        grid = build_scale_grid(report.spec, budget, self.base_report.spec)
        limits = budget.compute_limits(self.base_report)
        return match_to_budget(build_rescaled_report, report, grid, budget, self.target, limits)

    def _build_report_from_tree(self, tree: YamlNode) -> NetworkReport:
        return self._build_report(self._resolve(tree))

    def _build_report(self, spec: Spec) -> NetworkReport:
        """Analyse a variant at its input size; if it has none, at the base's if that fits."""
        graph, size = build_graph(spec), self.base_report.input_size
        if spec.input_size is None and len(size) == spec.dims and accepts_size(graph, size):
            return NetworkReport.of(spec, graph, size, is_size_assumed=True)
        return NetworkReport.of(spec, graph)

    def resolve_overlay(self, overlay: YamlNode) -> Spec:
        """Resolve the base merged with an overlay. Raises SpecError if invalid, PluginError if a plugin fails."""
        return self._resolve(merge(self.base_tree, overlay))

    def _resolve(self, tree: YamlNode) -> Spec:
        return resolve(tree, self.registry, self._part_cache)

    def _resolve_or_error(self, tree: YamlNode) -> Spec | SpecError | PluginError:
        try:
            return self._resolve(tree)
        except (SpecError, PluginError) as error:
            return error

    def _passes_conditions(
        self, label: str, combination: Combination, overlay: YamlNode, spec_or_error: Spec | SpecError | PluginError
    ) -> bool:
        """Return whether a combination meets all conditions, using its unresolved settings if it is invalid."""
        if not self.definition.conditions:
            return True
        if isinstance(spec_or_error, Spec):
            tree = from_data(spec_or_error.resolved(), "")
        else:
            tree = merge(from_data(self.base_report.spec.resolved(), ""), overlay)
        values = SpecValues(tree, {axis.name: choice.label for axis, choice in combination if axis.has_labels})
        return all(condition.holds(values, label) for condition in self.definition.conditions)

    def _find_duplicate(
        self, spec: Spec, combination: Combination, seen: dict[str, str], *, rescaled: bool = False
    ) -> Duplicate | None:
        """Return a duplicate if an earlier combination gave the same network; otherwise remember this one.

        A network that equals the base only after rescaling is always a duplicate, even if the base is not a variant.
        """
        settings = ", ".join(describe_choice(axis, choice) for axis, choice in combination) or BASE_LABEL
        earlier = seen.get(spec.hash, BASE_LABEL if rescaled and spec.hash == self.base_report.spec.hash else None)
        if earlier is not None:
            return Duplicate(f"{settings} when matched" if rescaled else settings, earlier)
        seen[spec.hash] = settings
        return None


def _expand_size(size: Size, base: YamlNode) -> list[int]:
    """Repeat a single number for each spatial dimension of the base."""
    dims = base.mapping["dims"].value if "dims" in base.mapping else TopLevelFields.model_fields["dims"].default
    return list(size * dims) if len(size) == 1 and isinstance(dims, int) else list(size)
