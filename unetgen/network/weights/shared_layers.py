"""Layers that a state dict holds several times, because its network registered one module in several places.

Equal values alone are no proof: before training all biases are zero and all norms alike. So a layer is another one's
alias if both lie in the same memory, or are equal in values that chance does not repeat. What is left are layers such
as fresh norms. They are aliases where they stand to their originals as known aliases do, in the same pair of scopes,
and where only so as many are left as are wanted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from unetgen.network.weights.state_layer import LayerSignature, StateLayer, group_by_signature


def find_aliases(layers: Sequence[StateLayer], expected_counts: Mapping[LayerSignature, int]) -> dict[str, str]:
    """The path of each alias with that of its original, the first of them. ``wanted`` counts the layers to be left."""
    found = _find_certain_aliases(layers)
    scopes = _pair_scopes(found)
    for kind, group in group_by_signature(layer for layer in layers if layer.path not in found).items():
        copies = _find_copies(group, scopes)
        if copies and len(group) - len(copies) == expected_counts.get(kind, 0):
            found |= copies
    return found


def _find_certain_aliases(layers: Sequence[StateLayer]) -> dict[str, str]:
    found: dict[str, str] = {}
    for group in group_by_signature(layers).values():
        originals: list[StateLayer] = []
        for layer in group:
            original = next((first for first in originals if _is_certain_alias(first, layer)), None)
            if original is None:
                originals.append(layer)
            else:
                found[layer.path] = original.path
    return found


def _is_certain_alias(first: StateLayer, second: StateLayer) -> bool:
    if first.tensors.keys() != second.tensors.keys():
        return False
    pairs = [(tensor, second.tensors[name]) for name, tensor in first.tensors.items()]
    if all(_has_same_memory(*pair) for pair in pairs):
        return True
    return _is_equal(first, second) and any(_has_distinct_values(tensor) for tensor, _ in pairs)


def _has_same_memory(first: Tensor, second: Tensor) -> bool:
    same_layout = first.shape == second.shape and first.stride() == second.stride()
    return same_layout and first.data_ptr() == second.data_ptr() != 0


def _has_distinct_values(tensor: Tensor) -> bool:
    """Whether a tensor has more than one value: not zeros, not ones, as layers start with."""
    return tensor.numel() > 1 and bool((tensor != tensor.flatten()[0]).any())


def _is_equal(first: StateLayer, second: StateLayer) -> bool:
    return first.tensors.keys() == second.tensors.keys() and all(
        (tensor.dtype, tensor.device) == (other.dtype, other.device) and tensor.equal(other)
        for tensor, other in ((tensor, second.tensors[name]) for name, tensor in first.tensors.items())
    )


def _pair_scopes(aliases: Mapping[str, str]) -> dict[str, list[str]]:
    """The scopes that known aliases stand in, with those of their originals.

    Where the last steps of both paths are the same, the scopes above them are a pair too:
    ``skips.down.conv1.conv`` for ``down.conv1.conv`` makes pairs of ``skips.down.conv1`` and of ``skips.down``.
    """
    pairs: dict[str, list[str]] = {}
    for alias, original in aliases.items():
        scope, source = alias.split("."), original.split(".")
        same = True
        while same and len(scope) > 1 and len(source) > 1:
            same = scope.pop() == source.pop()
            sources = pairs.setdefault(".".join(scope), [])
            if ".".join(source) not in sources:
                sources.append(".".join(source))
    return pairs


def _find_copies(group: Sequence[StateLayer], scope_pairs: Mapping[str, list[str]]) -> dict[str, str]:
    """Those layers of one kind that equal the layer in their place in the paired scope."""
    found: dict[str, str] = {}
    earlier: dict[str, StateLayer] = {}
    places = _group_by_scope(group)
    for layer in group:
        names = [*_map_to_paired_scopes(layer.path, scope_pairs), *_match_by_position(layer.path, scope_pairs, places)]
        original = next((earlier[name] for name in names if name in earlier), None)
        if original is not None and _is_equal(original, layer):
            found[layer.path] = original.path
        else:
            earlier[layer.path] = layer
    return found


def _map_to_paired_scopes(path: str, scope_pairs: Mapping[str, list[str]]) -> list[str]:
    """What a layer would be called in the scopes that its own ones are paired with."""
    steps = path.split(".")
    cuts = [(".".join(steps[:cut]), ".".join(steps[cut:])) for cut in range(len(steps) - 1, 0, -1)]
    return [f"{source}.{rest}" for scope, rest in cuts for source in scope_pairs.get(scope, [])]


def _match_by_position(
    path: str, scope_pairs: Mapping[str, list[str]], paths_by_scope: Mapping[str, list[str]]
) -> list[str]:
    """The layers at the same place in the paired scopes, where these have as many of the kind: ``norm`` for ``1``."""
    parent = path.rpartition(".")[0]
    own = paths_by_scope[parent]
    sources = [
        paths_by_scope[source]
        for source in scope_pairs.get(parent, [])
        if len(paths_by_scope.get(source, [])) == len(own)
    ]
    return [source[own.index(path)] for source in sources]


def _group_by_scope(group: Sequence[StateLayer]) -> dict[str, list[str]]:
    """The paths of one kind's layers by the scope they stand in."""
    places: dict[str, list[str]] = {}
    for layer in group:
        places.setdefault(layer.path.rpartition(".")[0], []).append(layer.path)
    return places
