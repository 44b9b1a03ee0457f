"""List the fields in which two resolved specs differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from unetgen.config.registry.slots import SLOTS
from unetgen.config.spec import NON_ARCHITECTURE_KEYS

# The keys that do not change what a network computes from the same weights.
IGNORED_KEYS = (*NON_ARCHITECTURE_KEYS, "input_size", "init")


def find_differing_fields(their_spec: Mapping[str, Any], our_spec: Mapping[str, Any]) -> list[str]:
    """Return the fields that differ: ``upsample.type: 'interpolate' there, 'transposed_conv' here``.

    For parts of different types only the types are listed, not their options.
    """
    theirs, ours = (dict(_iter_leaves(data, "")) for data in (their_spec, our_spec))
    changed = [path for path in {**theirs, **ours} if theirs.get(path) != ours.get(path)]
    retyped = [path.removesuffix("type") for path in changed if path.endswith(".type")]
    return [
        f"{path}: {_format_value(theirs, path)} there, {_format_value(ours, path)} here"
        for path in changed
        if path.split(".")[0] not in IGNORED_KEYS
        and not any(path.startswith(part) and path != f"{part}type" for part in retyped)
    ]


def _iter_leaves(data: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(data, Mapping):
        for key, value in data.items():
            yield from _iter_leaves(value, f"{path}.{key}" if path else str(key))
    elif isinstance(data, str) and path.rpartition(".")[2] in SLOTS:
        yield f"{path}.type", data  # a part without options is written as its name
    else:
        yield path, list(data) if isinstance(data, tuple) else data


def _format_value(values: Mapping[str, Any], path: str) -> str:
    return repr(values[path]) if path in values else "nothing"
