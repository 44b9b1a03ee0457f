"""Summarize the outcomes of a sweep; memory grows with the number of distinct messages, not of variants."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from unetgen.ablation.sweeps.outcome import BudgetNotReached, Duplicate, Excluded, Invalid, PluginFailed
from unetgen.ablation.sweeps.sweep import Outcome, Sweep
from unetgen.ablation.sweeps.variant import Variant
from unetgen.errors import Problem

# Number of variants named for each message; the others are only counted.
MAX_EXAMPLES = 3


@dataclass
class Occurrences:
    """The variants that a message applies to: their number and the labels of the first ones."""

    examples: list[str] = field(default_factory=list)
    count: int = 0

    def add(self, label: str) -> None:
        """Count one more variant."""
        self.count += 1
        if self.count <= MAX_EXAMPLES:
            self.examples.append(label)

    def __str__(self) -> str:
        more = f" and {self.count - MAX_EXAMPLES} more" if self.count > MAX_EXAMPLES else ""
        return f"in {'; '.join(self.examples)}{more}"


class Summary:
    """Counts of outcomes, and their messages with the variants they apply to."""

    def __init__(self) -> None:
        self.num_variants = self.num_excluded = self.num_rejected = 0
        self.problems: dict[Problem, Occurrences] = {}
        self.notices: dict[str, Occurrences] = {}
        self.duplicates: list[Duplicate] = []
        self.failures: dict[str, Occurrences] = {}
        self.num_resized = 0
        self.held_size_note = ""
        self.stopped_early = False

    def add(self, outcome: Outcome) -> None:
        """Add one outcome."""
        match outcome:
            case Variant():
                self.num_variants += 1
                self.num_resized += outcome.resized_to is not None
                self._count_reasons(self.notices, outcome.report.spec.notices, outcome.label)
                self._count_reasons(self.notices, map(str, outcome.confounders), outcome.label)
            case Invalid() | BudgetNotReached():
                self.num_rejected += 1
                self._count_reasons(self.problems, outcome.problems, outcome.label)
            case Duplicate():
                self.duplicates.append(outcome)
            case PluginFailed():
                self._count_reasons(self.failures, [str(outcome.error)], outcome.label)
            case Excluded():
                self.num_excluded += 1

    @property
    def num_combinations(self) -> int:
        """The number of combinations that were processed."""
        failed = sum(occurrences.count for occurrences in self.failures.values())
        return self.num_variants + self.num_excluded + self.num_rejected + len(self.duplicates) + failed

    def format_errors(self) -> list[str]:
        """Return a line for each problem that made combinations invalid, in the order of the file."""
        ordered = sorted(
            self.problems.items(), key=lambda item: (item[0].location is None, item[0].location, item[0].path)
        )
        return [f"{problem} ({occurrences})" if occurrences.count else str(problem) for problem, occurrences in ordered]

    def format_failures(self) -> list[str]:
        """Return a line for each failure of a plugin."""
        return [f"failed: {message} ({occurrences})" for message, occurrences in self.failures.items()]

    def format_notes(self) -> list[str]:
        """Return a line for each notice of a spec and for each duplicate."""
        notices = [f"{notice} ({occurrences})" for notice, occurrences in self.notices.items()]
        duplicates = [
            f"{duplicate.settings} is the same network as {duplicate.original_settings} and is skipped"
            for duplicate in self.duplicates
        ]
        return [*([self.held_size_note] if self.held_size_note else []), *notices, *duplicates]

    def to_dict(self) -> dict[str, Any]:
        """Return the summary as plain data, for JSON."""
        return {
            "left_out": self.num_excluded,
            "refused": self.num_rejected,
            "problems": [
                {**problem.to_dict(), "count": occurrences.count, "variants": occurrences.examples}
                for problem, occurrences in self.problems.items()
            ],
            "duplicates": [
                {"settings": duplicate.settings, "of": duplicate.original_settings} for duplicate in self.duplicates
            ],
            "failures": [
                {"message": message, "count": occurrences.count, "variants": occurrences.examples}
                for message, occurrences in self.failures.items()
            ],
            "notices": [
                {"message": notice, "count": occurrences.count, "variants": occurrences.examples}
                for notice, occurrences in self.notices.items()
            ],
        }

    def _count_reasons(self, counts: dict[Any, Occurrences], reasons: Iterable[Any], label: str) -> None:
        for reason in reasons:
            counts.setdefault(reason, Occurrences()).add(label)


def process_outcomes(sweep: Sweep, *observers: Callable[[Outcome], None], fail_fast: bool = False) -> Summary:
    """Compute all outcomes of a sweep and pass each to the observers at once.

    Args:
        sweep: The sweep.
        observers: Functions called with each outcome as soon as it is known.
        fail_fast: Stop after the first invalid or failed combination.

    Returns:
        The summary of the outcomes.
    """
    summary = Summary()
    for outcome in sweep.outcomes():
        summary.add(outcome)
        for observer in observers:
            observer(outcome)
        if fail_fast and isinstance(outcome, (Invalid, BudgetNotReached, PluginFailed)):
            summary.stopped_early = True
            break
    if summary.num_resized:
        summary.held_size_note = sweep.describe_held_size(summary.num_resized)
    if summary.num_excluded and summary.num_excluded == summary.num_combinations:
        where = sweep.definition.root.mapping["where"]
        message = f"the conditions exclude all {summary.num_excluded:,} combinations"
        summary.problems[where.problem("where", message, "loosen a condition")] = Occurrences()
    return summary
