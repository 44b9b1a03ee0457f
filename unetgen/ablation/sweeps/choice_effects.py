"""Evaluate each choice of a sweep alone, to label variants and to attribute their problems to choices."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from unetgen.ablation.sweeps.axis import Axis, Choice, Combination, Setting, build_overlay, slugify
from unetgen.analysis.report import NetworkReport
from unetgen.config.yaml.tree import YamlNode
from unetgen.errors import PluginError, Problem, SpecError
from unetgen.graph.size_errors import merge_axis_problems

# The label of a variant that equals the base.
BASE_LABEL = "base"

# The axis of a choice that is evaluated alone.
_UNNAMED_AXIS = Axis("", ())


class ChoiceEffects:
    """The effect of each choice alone on the base, evaluated at most once.

    ``build_report`` returns the report of the base merged with an overlay; ``base_hash`` is the base's spec hash.
    """

    def __init__(self, build_report: Callable[[YamlNode], NetworkReport], base_hash: str) -> None:
        self._build_report, self._base_hash = build_report, base_hash
        self._effects: dict[int, bool | frozenset[Problem]] = {}

    def equals_base(self, choice: Choice) -> bool:
        """Return whether a choice only repeats the base's settings."""
        return self._get_effect(choice) is True

    def format_variant_label(self, combination: Combination) -> str:
        """Return the label of a combination: its differences from the base, sorted, with labels if there are some."""
        parts: list[str] = []
        for axis, choice in combination:
            if axis.has_labels and axis.is_variant_list:
                return slugify(choice.label)
            if not self.equals_base(choice):
                label = f"{slugify(axis.name)}={slugify(choice.label)}"
                parts += [label] if axis.has_labels else [setting.assignment for setting in choice.settings]
        return ",".join(sorted(parts)) or BASE_LABEL

    def attribute_problems(self, combination: Combination, problems: Iterable[Problem]) -> tuple[Problem, ...]:
        """Move the problems of a combination to the choices in the sweep file that cause them.

        A choice that has the same problem alone is the cause. Otherwise the problem goes to a setting of the same
        top-level key, or to the first. Choices that only repeat the base are considered only if there are no others.

        Args:
            combination: The choices, with their axes.
            problems: The problems of the combination's spec.

        Returns:
            The problems with source locations in the sweep file if possible.
        """
        choices = [choice for _, choice in combination if choice.settings]
        changing = [choice for choice in choices if not self.equals_base(choice)] or choices
        attributed = []
        for problem in merge_axis_problems(problems):
            causes = [
                choice
                for choice in choices
                if any(_is_same_problem(problem, other) for other in self._find_problems(choice))
            ]
            settings = [setting for choice in causes or changing for setting in choice.settings]
            attributed.append(_relocate_problem(problem, settings))
        return tuple(attributed)

    def _find_problems(self, choice: Choice) -> frozenset[Problem]:
        effect = self._get_effect(choice)
        return frozenset() if isinstance(effect, bool) else effect

    def _get_effect(self, choice: Choice) -> bool | frozenset[Problem]:
        """Return the problems of the base with one choice; without problems, whether the choice equals the base."""
        if id(choice) not in self._effects:
            self._effects[id(choice)] = self._evaluate_effect(choice)
        return self._effects[id(choice)]

    def _evaluate_effect(self, choice: Choice) -> bool | frozenset[Problem]:
        try:
            return self._build_report(build_overlay(((_UNNAMED_AXIS, choice),))).spec.hash == self._base_hash
        except SpecError as error:
            return frozenset(error.problems)
        except PluginError:
            return False


def _is_same_problem(problem: Problem, other: Problem) -> bool:
    """Return whether two problems are the same; messages may differ, since sizes depend on the depth."""
    return (problem.code, problem.path, problem.location) == (other.code, other.path, other.location)


def _relocate_problem(problem: Problem, settings: Sequence[Setting]) -> Problem:
    """Move a problem to the setting with the same top-level key, or the first, and append its old location."""
    sources = {setting.value.mark.source for setting in settings}
    if not settings or (problem.location and problem.location.source in sources):
        return problem
    top = problem.path.partition(".")[0].partition("[")[0]
    target = next((setting for setting in settings if setting.location[0] == top), settings[0])
    message = (
        f"{problem.message} ({problem.location})" if problem.location and problem.location.source else problem.message
    )
    return replace(problem, message=message, location=target.value.mark)
