"""Significance: whether a variant differs from the base by more than seeds do.

Trials with one seed start alike wherever they can, and see the same data, so they are compared seed by seed: Student's
t-test of the differences. Of several variants held against one base some differ by chance, so the p values are those of
Holm's step-down correction (Holm 1979).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt, ulp
from statistics import fmean, stdev

from unetgen.errors import MissingDependencyError

# Below it a difference is told as one.
SIGNIFICANCE_LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class MetricDifference:
    """How far a variant is from the base in one metric, over the seeds that both have."""

    mean: float
    num_seeds: int
    p: float | None = None
    """Corrected for the number of variants; None where there is no spread to hold it against."""

    @property
    def is_significant(self) -> bool:
        """Whether it is more than the seeds' spread."""
        return self.p is not None and self.p < SIGNIFICANCE_LEVEL

    def __str__(self) -> str:
        sign = f"{self.mean:+.4g}"
        if self.p is None:
            return f"{sign}, {'no spread' if self.num_seeds > 1 else 'one seed'}"
        return f"{sign}, p {self.p:.2g}" if self.is_significant else f"within spread, p {self.p:.2g}"


def compare_variants_to_base(values: Mapping[str, Mapping[int, float]], base: str) -> dict[str, MetricDifference]:
    """The difference of every other variant to the base; of values by variant and seed."""
    reference = values.get(base, {})
    paired = {
        name: [(value, reference[seed]) for seed, value in by_seed.items() if seed in reference]
        for name, by_seed in values.items()
        if name != base
    }
    paired = {name: pairs for name, pairs in paired.items() if pairs}
    tested = {name: p for name, pairs in paired.items() if (p := paired_t_test(pairs)) is not None}
    corrected = apply_holm_correction(tested)
    return {
        name: MetricDifference(fmean(a - b for a, b in pairs), len(pairs), corrected.get(name))
        for name, pairs in paired.items()
    }


def paired_t_test(pairs: Sequence[tuple[float, float]]) -> float | None:
    """The two-sided p value of pairs whose mean difference might be 0; None where differences have no spread.

    What is no more than the last digits of the values is rounding, neither a difference nor a spread.
    """
    apart = [a - b for a, b in pairs]
    rounding = 4 * ulp(max(abs(value) for pair in pairs for value in pair))
    if len(apart) < 2:
        return None
    if max(map(abs, apart)) <= rounding:
        return 1.0
    spread = stdev(apart)
    if spread <= rounding:
        return None
    try:
        from scipy.stats import t
    except ImportError:
        raise MissingDependencyError("a table of several seeds", "scipy", "ablation") from None
    return float(2 * t.sf(abs(fmean(apart)) / (spread / sqrt(len(apart))), len(apart) - 1))


def apply_holm_correction(p_values: Mapping[str, float]) -> dict[str, float]:
    """p values so that the chance of even one false difference among all of them stays below the level."""
    corrected, highest = {}, 0.0
    for rank, (name, p) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        highest = max(highest, min(1.0, p * (len(p_values) - rank)))
        corrected[name] = highest
    return corrected
