"""The position of a builder: the module and the slot to which ops are being added."""

from __future__ import annotations

from typing import Any

from unetgen.config.reserved_names import RESERVED_NAMES
from unetgen.config.spec import SlotLocation
from unetgen.graph.build_problems import FailureLocation


class BuildPosition:
    """The current module and slot of a builder, and where it first failed."""

    def __init__(self) -> None:
        self._labels: dict[str, str] = {}
        self._scope = ""
        self._shared_scope = ("", "")
        self._slot_location: SlotLocation = ("", 0, "")
        self._failure_location: FailureLocation | None = None

    def scope(self, name: str, label: str = "", like: str = "") -> _PositionGuard:
        """Enter a module: ops that are added inside the ``with`` block become its children.

        Args:
            name: The module's name in the current module.
            label: The class name that ``print(model)`` shows for the module.
            like: The name of an earlier sibling module with identical ops, whose weights are shared.

        Returns:
            A context manager that restores the previous position on exit.

        Raises:
            ValueError: If ``name`` is reserved by ``torch.nn.Module``.

        Examples:
            >>> from unetgen.authoring import Builder
            >>> g = Builder(dims=2, in_channels=3)
            >>> with g.scope("stem", label="Stem"):
            ...     g.path("conv")
            'stem.conv'
        """
        guard = _PositionGuard(self, self._scope, self._slot_location, self._shared_scope)
        check_not_reserved(name)
        if like:
            self._shared_scope = (join_path(self._scope, name), join_path(self._scope, like))
        self._scope = join_path(self._scope, name)
        if label:
            self._labels[self._scope] = label
        return guard

    def at(self, side: str, level: int, slot: str) -> _PositionGuard:
        """Enter a slot of the spec: its nodes get the side and level, and its problems are reported there.

        Args:
            side: ``encoder``, ``bottleneck``, ``decoder`` or ``head``.
            level: The level, 0 is the finest.
            slot: The slot's key in the spec.

        Returns:
            A context manager that restores the previous position on exit.

        Examples:
            >>> from unetgen.authoring import Builder
            >>> g = Builder(dims=2, in_channels=3)
            >>> with g.at("encoder", 0, "block"):
            ...     y = g.conv(g.input, 8, 3, name="conv")
        """
        guard = _PositionGuard(self, self._scope, self._slot_location, self._shared_scope)
        self._slot_location = (side, level, slot)
        return guard

    def path(self, name: str = "") -> str:
        """Return the path of a child of the current module, or of the current module itself.

        Args:
            name: The child's name.

        Returns:
            The path, which is also the prefix of state-dict keys.

        Examples:
            >>> from unetgen.authoring import Builder
            >>> Builder(dims=2, in_channels=3).path("conv")
            'conv'
        """
        return join_path(self._scope, name)

    def restore_position(self, scope: str, slot_location: SlotLocation, shared_scope: tuple[str, str]) -> None:
        """Go back to an earlier position."""
        self._scope, self._slot_location, self._shared_scope = scope, slot_location, shared_scope

    @property
    def failure_location(self) -> FailureLocation:
        """The position at which an exception was first raised."""
        return self._failure_location or FailureLocation(self._scope, self._slot_location)

    def record_failure(self) -> None:
        """Record the current position as that of the failure, unless one is recorded already."""
        self._failure_location = self._failure_location or FailureLocation(self._scope, self._slot_location)


def check_not_reserved(name: str) -> None:
    """Raise ValueError if a name is reserved by ``torch.nn.Module``."""
    reserved = RESERVED_NAMES.intersection(name.split("."))
    if reserved:
        raise ValueError(f"the name {min(reserved)!r} is reserved by torch.nn.Module; rename the op or scope")


def join_path(scope: str, name: str) -> str:
    """Return the path of a name in a scope."""
    return f"{scope}.{name}" if scope and name else scope or name


class _PositionGuard:
    """Restores the builder's position at the end of a ``with`` block."""

    __slots__ = ("_builder", "_position")

    def __init__(self, builder: BuildPosition, *position: Any) -> None:
        self._builder = builder
        self._position = position

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            self._builder.record_failure()
        self._builder.restore_position(*self._position)
