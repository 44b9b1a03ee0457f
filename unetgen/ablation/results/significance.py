"""Test whether a variant differs from the base by more than chance, over the seeds.

Trials with the same seed have equal initial weights where possible and see the same data, so the test is paired by
seed: Student's t-test of the differences. With several variants against one base some differ by chance, so p values are
corrected by Holm's step-down method (Holm 1979, A simple sequentially rejective multiple test procedure).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt, ulp
from statistics import fmean, stdev

from unetgen.errors import MissingDependencyError

# Differences with a smaller p value are significant.
SIGNIFICANCE_LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class MetricDifference:
    """The difference between a variant and the base in one metric, over their common seeds."""

    mean: float
    num_seeds: int
    p: float | None = None
    """The p value, corrected for the number of variants; None if the differences have no spread."""

    @property
    def is_significant(self) -> bool:
        """Whether the difference is statistically significant."""
        return self.p is not None and self.p < SIGNIFICANCE_LEVEL

    def __str__(self) -> str:
        sign = f"{self.mean:+.4g}"
        if self.p is None:
            return f"{sign}, {'no spread' if self.num_seeds > 1 else 'one seed'}"
        return f"{sign}, p {self.p:.2g}" if self.is_significant else f"not significant, p {self.p:.2g}"


def compare_variants_to_base(values: Mapping[str, Mapping[int, float]], base: str) -> dict[str, MetricDifference]:
    """Compare the metric values of all variants with those of the base.

    Args:
        values: The values by variant and seed.
        base: The name of the base.

    Returns:
        The difference of each other variant that shares a seed with the base.
    """
    reference = values.get(base, {})
    paired = {
        name: [(value, reference[seed]) for seed, value in by_seed.items() if seed in reference]
        for name, by_seed in values.items()
        if name != base
    }
    paired = {name: pairs for name, pairs in paired.items() if pairs}
    p_values = {name: p for name, pairs in paired.items() if (p := paired_t_test(pairs)) is not None}
    corrected = apply_holm_correction(p_values)
    return {
        name: MetricDifference(fmean(a - b for a, b in pairs), len(pairs), corrected.get(name))
        for name, pairs in paired.items()
    }


def paired_t_test(pairs: Sequence[tuple[float, float]]) -> float | None:
    """Return the two-sided p value of a paired t-test.

    Differences and spreads at the level of the last digits of the values are treated as rounding errors, that is, as 0.

    Args:
        pairs: The values of the variant and of the base for each seed.

    Returns:
        The p value of the null hypothesis that the mean difference is 0; None if the differences have no spread.

    Raises:
        MissingDependencyError: scipy is not installed.
    """
    differences = [a - b for a, b in pairs]
    rounding = 4 * ulp(max(abs(value) for pair in pairs for value in pair))
    if len(differences) < 2:
        return None
    if max(map(abs, differences)) <= rounding:
        return 1.0
    spread = stdev(differences)
    if spread <= rounding:
        return None
    try:
        from scipy.stats import t
    except ImportError:
        raise MissingDependencyError("a table with several seeds", "scipy", "ablation") from None
    statistic = abs(fmean(differences)) / (spread / sqrt(len(differences)))
    return float(2 * t.sf(statistic, len(differences) - 1))


def apply_holm_correction(p_values: Mapping[str, float]) -> dict[str, float]:
    """Correct p values so that the familywise error rate (any false difference) stays below the level."""
    corrected, highest = {}, 0.0
    for rank, (name, p) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        highest = max(highest, min(1.0, p * (len(p_values) - rank)))
        corrected[name] = highest
    return corrected
