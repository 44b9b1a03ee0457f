"""Find layers that a state dict contains several times, because one module was registered in several places.

Equal values alone are not enough: before training all biases are zero and all norms equal. A layer is certainly an
alias of another if both share memory, or are equal in values that do not repeat by chance. Other equal layers, such as
freshly initialised norms, are aliases if they are in a pair of scopes that certain aliases connect, and if the number
of remaining layers then equals that of the network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from unetgen.network.weights.state_layer import LayerSignature, StateLayer, group_by_signature


def find_aliases(layers: Sequence[StateLayer], expected_counts: Mapping[LayerSignature, int]) -> dict[str, str]:
    """Find the aliases among the layers of a state dict.

    Args:
        layers: The layers, in file order.
        expected_counts: The number of layers of each kind in the network.

    Returns:
        The path of each alias with that of its original, which is the first of the equal layers.
    """
    aliases = _find_certain_aliases(layers)
    scopes = _pair_scopes(aliases)
    for kind, group in group_by_signature(layer for layer in layers if layer.path not in aliases).items():
        copies = _find_copies(group, scopes)
        if copies and len(group) - len(copies) == expected_counts.get(kind, 0):
            aliases |= copies
    return aliases


def _find_certain_aliases(layers: Sequence[StateLayer]) -> dict[str, str]:
    aliases: dict[str, str] = {}
    for group in group_by_signature(layers).values():
        originals: list[StateLayer] = []
        for layer in group:
            original = next((first for first in originals if _is_certain_alias(first, layer)), None)
            if original is None:
                originals.append(layer)
            else:
                aliases[layer.path] = original.path
    return aliases


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
    """Return whether a tensor has more than one distinct value, unlike initial biases and norms."""
    return tensor.numel() > 1 and bool((tensor != tensor.flatten()[0]).any())


def _is_equal(first: StateLayer, second: StateLayer) -> bool:
    return first.tensors.keys() == second.tensors.keys() and all(
        (tensor.dtype, tensor.device) == (other.dtype, other.device) and tensor.equal(other)
        for tensor, other in ((tensor, second.tensors[name]) for name, tensor in first.tensors.items())
    )


def _pair_scopes(aliases: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the scopes of known aliases with the scopes of their originals.

    If the last steps of both paths are equal, the parent scopes are a pair too: the alias ``skips.down.conv1.conv`` of
    ``down.conv1.conv`` makes pairs of ``skips.down.conv1`` and of ``skips.down``.
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
    """Return the layers of one kind that equal the corresponding layer in a paired scope, with its path."""
    copies: dict[str, str] = {}
    earlier: dict[str, StateLayer] = {}
    paths_by_scope = _group_by_scope(group)
    for layer in group:
        names = [
            *_map_to_paired_scopes(layer.path, scope_pairs),
            *_match_by_position(layer.path, scope_pairs, paths_by_scope),
        ]
        original = next((earlier[name] for name in names if name in earlier), None)
        if original is not None and _is_equal(original, layer):
            copies[layer.path] = original.path
        else:
            earlier[layer.path] = layer
    return copies


def _map_to_paired_scopes(path: str, scope_pairs: Mapping[str, list[str]]) -> list[str]:
    """Return the paths of a layer in the scopes that its own scopes are paired with."""
    steps = path.split(".")
    cuts = [(".".join(steps[:cut]), ".".join(steps[cut:])) for cut in range(len(steps) - 1, 0, -1)]
    return [f"{source}.{rest}" for scope, rest in cuts for source in scope_pairs.get(scope, [])]


def _match_by_position(
    path: str, scope_pairs: Mapping[str, list[str]], paths_by_scope: Mapping[str, list[str]]
) -> list[str]:
    """Return the layers at the same position in paired scopes with as many layers of the kind: ``norm`` for ``1``."""
    parent = path.rpartition(".")[0]
    own = paths_by_scope[parent]
    sources = [
        paths_by_scope[source]
        for source in scope_pairs.get(parent, [])
        if len(paths_by_scope.get(source, [])) == len(own)
    ]
    return [source[own.index(path)] for source in sources]


def _group_by_scope(group: Sequence[StateLayer]) -> dict[str, list[str]]:
    """Return the paths of the layers by their parent scope."""
    paths_by_scope: dict[str, list[str]] = {}
    for layer in group:
        paths_by_scope.setdefault(layer.path.rpartition(".")[0], []).append(layer.path)
    return paths_by_scope
