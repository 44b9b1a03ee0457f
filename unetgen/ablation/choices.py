"""Choices: what each choice of a sweep is by itself. It names variants, and says where their faults are told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from unetgen.ablation.axis import Axis, Choice, Combination, Setting, overlay_of, worded
from unetgen.config.node import Node
from unetgen.errors import PluginError, Problem, SpecError
from unetgen.outputs.report import Report

# What a variant is called that says nothing differently.
BASE = "base"

# The axis of a choice that is tried by itself.
_ALONE = Axis("", ())


class Choices:
    """Tries each choice once, laid over the base alone. ``measured`` is the base with something laid over it."""

    def __init__(self, measured: Callable[[Node], Report], base_hash: str) -> None:
        self._measured, self._base_hash = measured, base_hash
        self._tried: dict[int, bool | frozenset[Problem]] = {}

    def says_nothing(self, choice: Choice) -> bool:
        """Whether it says what the base says anyway."""
        return self._alone(choice) is True

    def words(self, combination: Combination) -> str:
        """What a combination says differently from the base, in an order of its own; labels where there are some."""
        words: list[str] = []
        for axis, choice in combination:
            if axis.named and axis.alone:
                return worded(choice.label)
            if not self.says_nothing(choice):
                label = f"{worded(axis.name)}={worded(choice.label)}"
                words += [label] if axis.named else [setting.words for setting in choice.settings]
        return ",".join(sorted(words)) or BASE

    def blamed(self, combination: Combination, problems: Iterable[Problem]) -> tuple[Problem, ...]:
        """What is wrong with a combination, told in the sweep's file where a choice is wrong alone, or speaks of it.

        What the base says anyway is not to blame as long as anything else is said.
        """
        choices = [choice for _, choice in combination if choice.settings]
        changing = [choice for choice in choices if not self.says_nothing(choice)] or choices
        told = []
        for problem in problems:
            guilty = [choice for choice in choices if any(_alike(problem, fault) for fault in self._faults(choice))]
            told.append(_pointed(problem, [setting for choice in guilty or changing for setting in choice.settings]))
        return tuple(told)

    def _faults(self, choice: Choice) -> frozenset[Problem]:
        alone = self._alone(choice)
        return frozenset() if isinstance(alone, bool) else alone

    def _alone(self, choice: Choice) -> bool | frozenset[Problem]:
        """What is wrong with the base under one choice, or else whether it is then still the base."""
        if id(choice) not in self._tried:
            self._tried[id(choice)] = self._tries(choice)
        return self._tried[id(choice)]

    def _tries(self, choice: Choice) -> bool | frozenset[Problem]:
        try:
            return self._measured(overlay_of(((_ALONE, choice),))).spec.hash == self._base_hash
        except SpecError as error:
            return frozenset(error.problems)
        except PluginError:
            return False


def _alike(problem: Problem, other: Problem) -> bool:
    """Whether two problems are one: a size that does not fit is told in other numbers at another depth."""
    return (problem.code, problem.path, problem.mark) == (other.code, other.path, other.mark)


def _pointed(problem: Problem, settings: Sequence[Setting]) -> Problem:
    """A problem at the setting that speaks of its place, or at the first one, with its own mark in the message."""
    sources = {setting.value.mark.source for setting in settings}
    if not settings or (problem.mark and problem.mark.source in sources):
        return problem
    top = problem.path.partition(".")[0].partition("[")[0]
    about = next((setting for setting in settings if setting.location[0] == top), settings[0])
    found = f"{problem.message} ({problem.mark})" if problem.mark and problem.mark.source else problem.message
    return replace(problem, message=found, mark=about.value.mark)
