"""Conformance checks for parts: compare a part with its declarations, and try it in training, copies and export.

    from unetgen.testing import check_part

    def test_mixer():
        check_part(Mixer)

Each failed check gives one sentence that includes the fix. docs/reference/checks.md lists the checks.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from unetgen.config.registry.part import Part, Trial
from unetgen.config.registry.registry import Registry
from unetgen.errors import format_exception_line
from unetgen.testing import declared_checks, runtime_checks
from unetgen.testing.part_under_test import Fault, PartBuildError, Subject

__all__ = ["CHECKS", "Fault", "PartError", "Subject", "Trial", "all_faults", "check_part", "faults"]

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
"""Every check by its name, those first whose faults explain the faults of later ones.

Examples:
    >>> list(CHECKS)[:5]
    ['described', 'shapes', 'costs', 'channels', 'options']
"""


_CANNOT_RUN = " cannot run: "


class PartError(AssertionError):
    """A part that fails its checks; the message has one line per fault.

    Examples:
        >>> from unetgen.authoring import Block
        >>> class Identity(Block):
        ...     type = "identity"
        ...     def emit(self, g, x, channels):
        ...         return x
        >>> try:
        ...     check_part(Identity, only=["described"])
        ... except PartError as error:
        ...     print(error)
        block 'identity': the part has no docstring; add one that describes it and cites its paper
    """


def check_part(
    part: type[Part],
    *,
    registry: Registry | None = None,
    trial: Trial | None = None,
    only: Collection[str] = (),
) -> None:
    """Check a part in small networks of one, two and three dimensions.

    Args:
        part: The part's class.
        registry: A registry with the part and all parts that it uses (default: the installed parts and this one).
        trial: The options to check the part with (default: the part's own ``trial``).
        only: Names of ``CHECKS`` to run (default: all).

    Raises:
        PartError: A check failed; the message has every fault.

    Examples:
        >>> from unetgen.authoring import Block
        >>> class Mixer(Block):
        ...     '''A 1x1 convolution.'''
        ...     type = "mixer"
        ...     def emit(self, g, x, channels):
        ...         return g.conv(x, channels, 1, name="mix")
        >>> check_part(Mixer, only=["shapes", "costs"])
    """
    subject = Subject(part, registry, trial)
    if part_faults := all_faults(subject, only):
        raise PartError("\n".join(f"{subject.called}: {fault}" for fault in part_faults))


def faults(subject: Subject, check: str) -> list[Fault]:
    """Run one check.

    Args:
        subject: The part.
        check: A name of ``CHECKS``.

    Returns:
        The faults; empty if the check passes. A check that raises, or does not exist, gives one fault.

    Examples:
        >>> import unetgen
        >>> from unetgen.parts.layers.activations import Relu
        >>> faults(Subject(Relu, unetgen.load_registry()), "described")
        []
    """
    try:
        return list(CHECKS[check](subject))
    except PartBuildError as error:
        return [error.fault]
    except Exception as error:
        return [Fault(f"check {check!r}{_CANNOT_RUN}{format_exception_line(error)}", "fix that error first")]


def all_faults(subject: Subject, only: Collection[str] = ()) -> list[Fault]:
    """Run all checks, or some, and merge similar faults.

    Of the faults with one fix only the first is returned, with the number of the others. A check that cannot run
    adds no fault if an earlier check failed.

    Args:
        subject: The part.
        only: Names of ``CHECKS`` to run (default: all).

    Returns:
        The faults, one per fix; empty if all checks pass.

    Examples:
        >>> import unetgen
        >>> from unetgen.parts.layers.activations import Relu
        >>> all_faults(Subject(Relu, unetgen.load_registry()), ["described", "shapes"])
        []
    """
    faults_by_fix: dict[str, list[Fault]] = {}
    for check in only or CHECKS:
        for fault in faults(subject, check):
            if not faults_by_fix or _CANNOT_RUN not in fault.what:
                faults_by_fix.setdefault(fault.way, []).append(fault)
    return [_merge_similar(list(dict.fromkeys(similar))) for similar in faults_by_fix.values()]


def _merge_similar(similar: list[Fault]) -> Fault:
    first, *others = similar
    return first._replace(what=f"{first.what} (and {len(others)} more like it)") if others else first
