"""The author's kit: whether a part is what it says it is, and behaves where people will use it.

    from unetgen.testing import check_part

    def test_mixer():
        check_part(Mixer)

Each fault that is found is a sentence with the way out. docs/plugins.md says what is looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from unetgen.config.registry.part import Part, Trial
from unetgen.config.registry.registry import Registry
from unetgen.errors import format_exception_line
from unetgen.testing import declared_checks, runtime_checks
from unetgen.testing.part_under_test import Fault, PartBuildError, Subject

__all__ = ["CHECKS", "Fault", "PartError", "Subject", "Trial", "all_faults", "check_part", "faults"]

# Every check by its name, in the order in which a mistake is best understood.
CHECKS: dict[str, Callable[[Subject], Iterator[Fault]]] = {
    check.__name__: check
    for check in (
        declared_checks.described,
        declared_checks.shapes,
        declared_checks.costs,
        declared_checks.channels,
        declared_checks.options,
        runtime_checks.gradients,
        runtime_checks.independence,
        runtime_checks.first_weights,
        runtime_checks.copies,
        runtime_checks.tracing,
    )
}


_CHECK_FAILED = " cannot be looked at: "


class PartError(AssertionError):
    """A part that is not what it says; one line for each fault."""


def check_part(
    part: type[Part],
    *,
    registry: Registry | None = None,
    trial: Trial | None = None,
    only: Collection[str] = (),
) -> None:
    """Tries a part in small networks of one, two and three dimensions. Raises PartError with every fault found.

    ``registry`` has the part and whatever else it needs; without one the part is registered by itself. ``trial``
    says with which options it is tried, where the part's own does not; ``only`` names some of ``CHECKS``.
    """
    subject = Subject(part, registry, trial)
    if found := all_faults(subject, only):
        raise PartError("\n".join(f"{subject.called}: {fault}" for fault in found))


def faults(subject: Subject, check: str) -> list[Fault]:
    """What one check finds."""
    try:
        return list(CHECKS[check](subject))
    except PartBuildError as broken:
        return [broken.fault]
    except Exception as error:
        return [Fault(f"{check}{_CHECK_FAILED}{format_exception_line(error)}", "correct that first")]


def all_faults(subject: Subject, only: Collection[str] = ()) -> list[Fault]:
    """What all checks find, or some: of faults with one way out the first, and how many more there are.

    What cannot be looked at for a fault found before is not told as another.
    """
    found: dict[str, list[Fault]] = {}
    for check in only or CHECKS:
        for fault in faults(subject, check):
            if not found or _CHECK_FAILED not in fault.what:
                found.setdefault(fault.way, []).append(fault)
    return [_merge_similar(list(dict.fromkeys(alike))) for alike in found.values()]


def _merge_similar(similar: list[Fault]) -> Fault:
    first, *others = similar
    return first._replace(what=f"{first.what} (and {len(others)} more like it)") if others else first
