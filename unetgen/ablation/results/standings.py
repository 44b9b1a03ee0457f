"""Standings: the table of a run. A row for each variant, with mean and spread of every metric over its seeds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import floor, log10
from statistics import fmean, stdev

from unetgen.ablation.results.ledger import Entry, Ledger, Record
from unetgen.ablation.results.significance import Difference, differences
from unetgen.errors import RunError, did_you_mean
from unetgen.outputs.sheet import Column, Sheet, Value, counted

# The costs that stand in the table.
COSTS = ("params", "macs")

# The ends of trials that are counted for each entry.
STATES = ("finished", "failed")


@dataclass(frozen=True)
class Standings:
    """What a ledger holds, by variant. ``base`` is what the others are measured by; baselines come last."""

    entries: tuple[Entry, ...]
    records: tuple[Record, ...]
    metrics: Mapping[str, Mapping[str, Mapping[int, float]]]
    better: Mapping[str, str]
    base: str

    @classmethod
    def of(cls, ledger: Ledger, base: str | None = None) -> Standings:
        """All that is finished. Raises RunError where ``base`` is no variant."""
        entries, settings = ledger.entries(), ledger.settings()
        variants = [entry.name for entry in entries if entry.spec]
        if base is not None and base not in variants:
            hint = did_you_mean(base, variants) or f"there are {', '.join(variants[:10])}"
            raise RunError(f"{base!r} is not among the variants; {hint}")
        ours = next((entry.name for entry in entries if entry.spec and entry.hash == settings.get("base")), None)
        return cls(
            tuple(entries), tuple(ledger.records()), ledger.metrics(), settings.get("better", {}),
            base or ours or variants[0],
        )  # fmt: skip

    @property
    def names(self) -> list[str]:
        """The metrics, in the order of the alphabet."""
        return list(self.metrics)

    def higher(self, metric: str) -> bool:
        """Whether more of a metric is better."""
        return self.better.get(metric, "higher") == "higher"

    def differences(self, metric: str) -> dict[str, Difference]:
        """Every variant's difference to the base in a metric; baselines are no variants."""
        variants = {entry.name for entry in self.entries if entry.spec}
        values = {name: by_seed for name, by_seed in self.metrics[metric].items() if name in variants}
        return differences(values, self.base)

    def counts(self) -> dict[str, int]:
        """How many trials there are in each state."""
        found = {"finished": 0, "failed": 0, "running": 0, "waiting": 0}
        for record in self.records:
            found[record.state] += 1
        return found

    def ordered(self, key: str | None) -> list[Entry]:
        """The rows by a column, with ``-`` before its name the other way; what has nothing there, then baselines, last.

        Raises RunError where there is no such column.
        """
        if key is None:
            return list(self.entries)
        columns = list(dict.fromkeys(["variant", *self.axes(), *COSTS, *STATES, *self.names]))
        name = key.removeprefix("-")
        if name not in columns:
            hint = did_you_mean(name, columns) or f"there are {', '.join(columns)}"
            raise RunError(f"there is no column {name!r} to sort by; {hint}")
        values = {entry.name: self._value(entry, name) for entry in self.entries}
        placed = [entry for entry in self.entries if values[entry.name] is not None]
        placed.sort(key=lambda entry: values[entry.name], reverse=key.startswith("-"))  # type: ignore[arg-type, return-value]  # of one column
        rest = [entry for entry in self.entries if values[entry.name] is None]
        return sorted([*placed, *rest], key=lambda entry: not entry.spec)

    def _value(self, entry: Entry, column: str) -> Value:
        """What an entry has in a column; a metric that is called like something else is meant."""
        if column in self.names:
            return self.mean(entry, column)
        if column in COSTS:
            return self.cost(entry, column)
        if column in STATES:
            return self._tally[entry.name, column]
        return entry.name if column == "variant" else (entry.choices or {}).get(column)

    def mean(self, entry: Entry, metric: str) -> float | None:
        """A metric's mean over the seeds."""
        values = self.metrics.get(metric, {}).get(entry.name)
        return fmean(values.values()) if values else None

    def cost(self, entry: Entry, name: str) -> int | None:
        """What a variant was reckoned to take."""
        return (entry.costs or {}).get(name)

    def sheet(self, sort: str | None = None) -> Sheet:
        """Names, choices, costs, and for each metric mean, deviation and what sets it apart from the base."""
        shown = self.ordered(sort)
        axes = self.axes()
        columns = [Column("name", "variant"), *(Column(axis, axis) for axis in axes)]
        columns += [Column("params", "params", counted, number=True), Column("macs", "MACs", counted, number=True)]
        columns.append(Column("seeds", "seeds", number=True))
        cells: list[list[Value]] = [
            [
                e.name,
                *((e.choices or {}).get(axis) for axis in axes),
                *(self.cost(e, cost) for cost in COSTS),
                self._tally[e.name, "finished"],
            ]
            for e in shown
        ]
        for metric in self.names:
            columns += _columns(metric)
            apart = self.differences(metric)
            for entry, row in zip(shown, cells, strict=True):
                row.extend(self._figures(entry, metric, apart.get(entry.name)))
        if any(record.state == "failed" for record in self.records):
            columns.append(Column("failed", "failed", number=True))
            for entry, row in zip(shown, cells, strict=True):
                row.append(self._tally[entry.name, "failed"])
        return Sheet(tuple(columns), tuple(map(tuple, cells)))

    def axes(self) -> list[str]:
        """What varies, in the order of the sweep's file."""
        return list(dict.fromkeys(axis for entry in self.entries for axis in entry.choices or {}))

    @cached_property
    def _tally(self) -> Counter[tuple[str, str]]:
        """How many trials each entry has in each state."""
        return Counter((record.variant, record.state) for record in self.records)

    def _figures(self, entry: Entry, metric: str, apart: Difference | None) -> list[Value]:
        values = list(self.metrics[metric].get(entry.name, {}).values())
        mean = self.mean(entry, metric)
        spread = stdev(values) if len(values) > 1 else None
        told = apart or Difference(0.0, 0)
        said = "base" if entry.name == self.base else str(apart) if apart else None
        return [_figures(mean, spread), said, mean, spread, told.mean if apart else None, told.p]


def _figures(mean: float | None, spread: float | None) -> str | None:
    """A mean in four digits, and its deviation in as many decimals; very large and small ones in powers of ten."""
    if mean is None:
        return None
    if mean and not 1e-4 <= abs(mean) < 1e7:
        return f"{mean:.4g}" if spread is None else f"{mean:.4g} ± {spread:.2g}"
    decimals = max(0, 3 - floor(log10(abs(mean)))) if mean else 4
    told = f"{mean:,.{decimals}f}"
    return told if spread is None else f"{told} ± {spread:,.{decimals}f}"


def _columns(metric: str) -> list[Column]:
    """A metric's columns: two for people, four for programs."""
    return [
        Column(f"{metric}.told", metric, number=True, readers="people"),
        Column(f"{metric}.against", "against the base", readers="people"),
        Column(f"{metric}.mean", metric, number=True, readers="programs"),
        Column(f"{metric}.deviation", metric, number=True, readers="programs"),
        Column(f"{metric}.difference", metric, number=True, readers="programs"),
        Column(f"{metric}.p", metric, number=True, readers="programs"),
    ]
