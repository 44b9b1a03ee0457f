"""Choices: what each choice of a sweep is by itself. It names variants, and says where their faults are told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from unetgen.ablation.sweeps.axis import Axis, Choice, Combination, Setting, build_overlay, slugify
from unetgen.analysis.report import NetworkReport
from unetgen.config.yaml.tree import YamlNode
from unetgen.errors import PluginError, Problem, SpecError

# What a variant is called that says nothing differently.
BASE_LABEL = "base"

# The axis of a choice that is tried by itself.
_UNNAMED_AXIS = Axis("", ())


class ChoiceEffects:
    """Tries each choice once, laid over the base alone. ``measured`` is the base with something laid over it."""

    def __init__(self, build_report: Callable[[YamlNode], NetworkReport], base_hash: str) -> None:
        self._build_report, self._base_hash = build_report, base_hash
        self._effects: dict[int, bool | frozenset[Problem]] = {}

    def equals_base(self, choice: Choice) -> bool:
        """Whether it says what the base says anyway."""
        return self._get_effect(choice) is True

    def format_variant_label(self, combination: Combination) -> str:
        """What a combination says differently from the base, in an order of its own; labels where there are some."""
        words: list[str] = []
        for axis, choice in combination:
            if axis.has_labels and axis.is_variant_list:
                return slugify(choice.label)
            if not self.equals_base(choice):
                label = f"{slugify(axis.name)}={slugify(choice.label)}"
                words += [label] if axis.has_labels else [setting.assignment for setting in choice.settings]
        return ",".join(sorted(words)) or BASE_LABEL

    def attribute_problems(self, combination: Combination, problems: Iterable[Problem]) -> tuple[Problem, ...]:
        """What is wrong with a combination, told in the sweep's file where a choice is wrong alone, or speaks of it.

        What the base says anyway is not to blame as long as anything else is said.
        """
        choices = [choice for _, choice in combination if choice.settings]
        changing = [choice for choice in choices if not self.equals_base(choice)] or choices
        told = []
        for problem in problems:
            guilty = [
                choice
                for choice in choices
                if any(_is_same_problem(problem, fault) for fault in self._find_problems(choice))
            ]
            told.append(
                _relocate_problem(problem, [setting for choice in guilty or changing for setting in choice.settings])
            )
        return tuple(told)

    def _find_problems(self, choice: Choice) -> frozenset[Problem]:
        alone = self._get_effect(choice)
        return frozenset() if isinstance(alone, bool) else alone

    def _get_effect(self, choice: Choice) -> bool | frozenset[Problem]:
        """What is wrong with the base under one choice, or else whether it is then still the base."""
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
    """Whether two problems are one: a size that does not fit is told in other numbers at another depth."""
    return (problem.code, problem.path, problem.mark) == (other.code, other.path, other.mark)


def _relocate_problem(problem: Problem, settings: Sequence[Setting]) -> Problem:
    """A problem at the setting that speaks of its place, or at the first one, with its own mark in the message."""
    sources = {setting.value.mark.source for setting in settings}
    if not settings or (problem.mark and problem.mark.source in sources):
        return problem
    top = problem.path.partition(".")[0].partition("[")[0]
    about = next((setting for setting in settings if setting.location[0] == top), settings[0])
    found = f"{problem.message} ({problem.mark})" if problem.mark and problem.mark.source else problem.message
    return replace(problem, message=found, mark=about.value.mark)
