"""Summary: what is to be told of a sweep beside its variants. It grows with the number of reasons, not of variants."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from unetgen.ablation.outcome import Duplicate, Failed, Invalid, LeftOut, Unmatched
from unetgen.ablation.sweep import Outcome, Sweep
from unetgen.ablation.variant import Variant
from unetgen.errors import Problem

# So many variants are named for each reason; of the others only the number is told.
NAMED = 3


@dataclass
class Mention:
    """The variants that one thing is said of: the first by name, and how many there are."""

    first: list[str] = field(default_factory=list)
    count: int = 0

    def add(self, words: str) -> None:
        """Counts one more."""
        self.count += 1
        if self.count <= NAMED:
            self.first.append(words)

    def __str__(self) -> str:
        more = f" and {self.count - NAMED} more" if self.count > NAMED else ""
        return f"in {'; '.join(self.first)}{more}"


class Summary:
    """Counts outcomes, and groups what is wrong by its reason."""

    def __init__(self) -> None:
        self.variants = self.left_out = self.refused = 0
        self.problems: dict[Problem, Mention] = {}
        self.notices: dict[str, Mention] = {}
        self.duplicates: list[Duplicate] = []
        self.failures: dict[str, Mention] = {}
        self.stopped = False

    def add(self, outcome: Outcome) -> None:
        """Takes note of one outcome."""
        match outcome:
            case Variant():
                self.variants += 1
                self._mention(self.notices, outcome.report.spec.notices, outcome.words)
            case Invalid() | Unmatched():
                self.refused += 1
                self._mention(self.problems, outcome.problems, outcome.words)
            case Duplicate():
                self.duplicates.append(outcome)
            case Failed():
                self._mention(self.failures, [str(outcome.error)], outcome.words)
            case LeftOut():
                self.left_out += 1

    @property
    def combinations(self) -> int:
        """How many there were."""
        failed = sum(mention.count for mention in self.failures.values())
        return self.variants + self.left_out + self.refused + len(self.duplicates) + failed

    def complaints(self) -> list[str]:
        """A line for each reason why combinations became no variants, in the order of the file."""
        ordered = sorted(self.problems.items(), key=lambda item: (item[0].mark is None, item[0].mark, item[0].path))
        return [f"{problem} ({mention})" if mention.count else str(problem) for problem, mention in ordered]

    def failed(self) -> list[str]:
        """A line for each failure of a plugin."""
        return [f"failed: {message} ({mention})" for message, mention in self.failures.items()]

    def notes(self) -> list[str]:
        """A line for each thing that is not wrong but should be known."""
        same = [f"{twin.settings} is the same network as {twin.of}, and is left out" for twin in self.duplicates]
        return [*(f"{notice} ({mention})" for notice, mention in self.notices.items()), *same]

    def record(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {
            "left_out": self.left_out,
            "refused": self.refused,
            "problems": [
                {**problem.record(), "count": mention.count, "variants": mention.first}
                for problem, mention in self.problems.items()
            ],
            "duplicates": [{"settings": twin.settings, "of": twin.of} for twin in self.duplicates],
            "failures": [
                {"message": message, "count": mention.count, "variants": mention.first}
                for message, mention in self.failures.items()
            ],
            "notices": [
                {"message": notice, "count": mention.count, "variants": mention.first}
                for notice, mention in self.notices.items()
            ],
        }

    def _mention(self, where: dict[Any, Mention], reasons: Iterable[Any], words: str) -> None:
        for reason in reasons:
            where.setdefault(reason, Mention()).add(words)


def walk(sweep: Sweep, *hear: Callable[[Outcome], None], fail_fast: bool = False) -> Summary:
    """Goes through a sweep, telling each outcome to all that want to hear of it as soon as it is known.

    With ``fail_fast`` the first that is wrong is the last.
    """
    summary = Summary()
    for outcome in sweep.outcomes():
        summary.add(outcome)
        for listener in hear:
            listener(outcome)
        if fail_fast and isinstance(outcome, (Invalid, Unmatched, Failed)):
            summary.stopped = True
            break
    if summary.left_out and summary.left_out == summary.combinations:
        where = sweep.file.root.mapping["where"]
        message = f"no variant is left: all {summary.left_out:,} combinations are left out"
        summary.problems[where.problem("where", message, "loosen a condition")] = Mention()
    return summary
