"""Summary: what is to be told of a sweep beside its variants. It grows with the number of reasons, not of variants."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from unetgen.ablation.sweeps.outcome import BudgetNotReached, Duplicate, Excluded, Invalid, PluginFailed
from unetgen.ablation.sweeps.sweep import Outcome, Sweep
from unetgen.ablation.sweeps.variant import Variant
from unetgen.errors import Problem

# So many variants are named for each reason; of the others only the number is told.
MAX_EXAMPLES = 3


@dataclass
class Occurrences:
    """The variants that one thing is said of: the first by name, and how many there are."""

    examples: list[str] = field(default_factory=list)
    count: int = 0

    def add(self, label: str) -> None:
        """Counts one more."""
        self.count += 1
        if self.count <= MAX_EXAMPLES:
            self.examples.append(label)

    def __str__(self) -> str:
        more = f" and {self.count - MAX_EXAMPLES} more" if self.count > MAX_EXAMPLES else ""
        return f"in {'; '.join(self.examples)}{more}"


class Summary:
    """Counts outcomes, and groups what is wrong by its reason."""

    def __init__(self) -> None:
        self.num_variants = self.num_excluded = self.num_rejected = 0
        self.problems: dict[Problem, Occurrences] = {}
        self.notices: dict[str, Occurrences] = {}
        self.duplicates: list[Duplicate] = []
        self.failures: dict[str, Occurrences] = {}
        self.stopped_early = False

    def add(self, outcome: Outcome) -> None:
        """Takes note of one outcome."""
        match outcome:
            case Variant():
                self.num_variants += 1
                self._count_reasons(self.notices, outcome.report.spec.notices, outcome.label)
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
        """How many there were."""
        failed = sum(mention.count for mention in self.failures.values())
        return self.num_variants + self.num_excluded + self.num_rejected + len(self.duplicates) + failed

    def format_errors(self) -> list[str]:
        """A line for each reason why combinations became no variants, in the order of the file."""
        ordered = sorted(self.problems.items(), key=lambda item: (item[0].mark is None, item[0].mark, item[0].path))
        return [f"{problem} ({mention})" if mention.count else str(problem) for problem, mention in ordered]

    def format_failures(self) -> list[str]:
        """A line for each failure of a plugin."""
        return [f"failed: {message} ({mention})" for message, mention in self.failures.items()]

    def format_notes(self) -> list[str]:
        """A line for each thing that is not wrong but should be known."""
        same = [
            f"{twin.settings} is the same network as {twin.original_settings}, and is left out"
            for twin in self.duplicates
        ]
        return [*(f"{notice} ({mention})" for notice, mention in self.notices.items()), *same]

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {
            "left_out": self.num_excluded,
            "refused": self.num_rejected,
            "problems": [
                {**problem.to_dict(), "count": mention.count, "variants": mention.examples}
                for problem, mention in self.problems.items()
            ],
            "duplicates": [{"settings": twin.settings, "of": twin.original_settings} for twin in self.duplicates],
            "failures": [
                {"message": message, "count": mention.count, "variants": mention.examples}
                for message, mention in self.failures.items()
            ],
            "notices": [
                {"message": notice, "count": mention.count, "variants": mention.examples}
                for notice, mention in self.notices.items()
            ],
        }

    def _count_reasons(self, occurrences: dict[Any, Occurrences], reasons: Iterable[Any], label: str) -> None:
        for reason in reasons:
            occurrences.setdefault(reason, Occurrences()).add(label)


def process_outcomes(sweep: Sweep, *observers: Callable[[Outcome], None], fail_fast: bool = False) -> Summary:
    """Goes through a sweep, telling each outcome to all that want to hear of it as soon as it is known.

    With ``fail_fast`` the first that is wrong is the last.
    """
    summary = Summary()
    for outcome in sweep.outcomes():
        summary.add(outcome)
        for listener in observers:
            listener(outcome)
        if fail_fast and isinstance(outcome, (Invalid, BudgetNotReached, PluginFailed)):
            summary.stopped_early = True
            break
    if summary.num_excluded and summary.num_excluded == summary.num_combinations:
        where = sweep.definition.root.mapping["where"]
        message = f"no variant is left: all {summary.num_excluded:,} combinations are left out"
        summary.problems[where.problem("where", message, "loosen a condition")] = Occurrences()
    return summary
