"""Fuzz the spec reader: every text gives a graph or a SpecError within two seconds."""

from __future__ import annotations

import copy
import random
import string
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import unetgen
from support.effort import SEED, num_examples
from support.paths import ROOT
from unetgen.config.registry.slots import SLOTS
from unetgen.config.spec_sources import list_shipped_specs
from unetgen.config.yaml.parser import parse_yaml
from unetgen.errors import Problem, SpecError

MAX_SECONDS = 2.0
SEEDS = {path.stem: path.read_bytes() for path in list_shipped_specs().values()}

Slot = tuple[Any, Any]  # a container, and the key or index of one of its values


# Bytes and tokens of the text


def flip_bytes(rng: random.Random, raw: bytes) -> bytes:
    """Change some bytes."""
    changed = bytearray(raw)
    for _ in range(rng.choice([1, 1, 2, 5, 20])):
        changed[rng.randrange(len(changed))] = rng.choice(
            b"\x00\x1b\x7f\x85\xc3\xe2\xff\t\r\n -:,[]{}&*!|>%@`'\"#0123456789aex.~<"
        )
    return bytes(changed)


def cut_bytes(rng: random.Random, raw: bytes) -> bytes:
    """Delete or repeat a range, or truncate the text."""
    start = rng.randrange(len(raw))
    end = min(len(raw), start + rng.choice([1, 3, 10, 60]))
    return rng.choice([raw[:start], raw[:start] + raw[end:], raw[:end] + raw[start:], raw[start:]])


def insert_bytes(rng: random.Random, raw: bytes) -> bytes:
    """Insert bytes with a meaning in YAML, or that are not UTF-8."""
    start = rng.randrange(len(raw) + 1)
    return raw[:start] + rng.choice(_INSERTIONS) * rng.choice([1, 1, 1, 2, 200]) + raw[start:]


_INSERTIONS = [
    b"\xef\xbb\xbf", b"\xff\xfe", b"\xf0\x9f\xa4\x96", b"\xed\xa0\x80", b"\xc2\x85", b"\xe2\x80\xa8", b"\x00", b"\r\n", b"\t", b"\n",
    b"[", b"]", b"{", b"}", b"- ", b": ", b"? ", b"| ", b">-\n", b"&a ", b"*a ", b"!!python/object:os.system ", b"!x ", b"<<: *a\n",
    b"---\n", b"...\n", b"%YAML 1.1\n", b"%TAG ! x:\n", b"#", b"'", b'"', b"\\", b'"\\0"', b'"\\uD800"', b"0x", b"0o7", b"1e999", b".nan", b"-.inf",
]  # fmt: skip


def swap_lines(rng: random.Random, raw: bytes) -> bytes:
    """Reorder, repeat, delete or indent lines."""
    lines = raw.split(b"\n")
    for _ in range(rng.choice([1, 2, 4])):
        target, source = rng.randrange(len(lines)), rng.randrange(len(lines))
        lines[target] = rng.choice(
            [lines[source], b"", b"  " + lines[target], lines[target].lstrip(), lines[target] + lines[source]]
        )
    return b"\n".join(lines)


def replace_tokens(rng: random.Random, raw: bytes) -> bytes:
    """Replace words and numbers by others."""
    text = raw.decode()
    for _ in range(rng.choice([1, 1, 2, 4])):
        old = rng.choice(_tokens(text) or [" "])
        new = rng.choice([*_WORDS, *_tokens(text), *map(_scalar_text, _SCALARS)])
        start = rng.choice([i for i in range(len(text)) if text.startswith(old, i)])
        text = text[:start] + new + text[start + len(old) :]
    return text.encode("utf-8", "surrogatepass")


def _tokens(text: str) -> list[str]:
    words = "".join(c if c in string.ascii_letters + string.digits + "_." else " " for c in text)
    return words.split()


_WORDS = [
    *SLOTS, *(slot.default for slot in SLOTS.values()), "type", "none", "null", "levels", "skip", "bottleneck", "widths", "depth",
    "input_size", "extends", "dims", "operand", "rounding", "kernel_size", "stride", "factor", "padding", "valid", "reflect",
    "interpolate", "pixel_shuffle", "avg_pool", "residual", "strict", "resize", "pad", "add", "multiply", "instance", "group",
]  # fmt: skip


# The data of the text


def replace_scalar(rng: random.Random, spec: Any) -> Any:
    """Replace a value by one of another type or size."""
    container, key = rng.choice(_list_slots(spec))
    container[key] = rng.choice(_SCALARS)
    return spec


def wrap_value(rng: random.Random, spec: Any) -> Any:
    """Turn a value into a list or a mapping, possibly deep or long."""
    container, key = rng.choice(_list_slots(spec))
    value = container[key]
    container[key] = rng.choice(_WRAPPINGS)(rng, value)
    return spec


def move_part(rng: random.Random, spec: Any) -> Any:
    """Copy a value to another place, or exchange two values."""
    (container, key), (other, other_key) = rng.choice(_list_slots(spec)), rng.choice(_list_slots(spec))
    value, other_value = copy.deepcopy(container[key]), copy.deepcopy(other[other_key])
    container[key] = other_value
    if rng.random() < 0.5:
        other[other_key] = value
    return spec


def rename_key(rng: random.Random, spec: Any) -> Any:
    """Replace a key by another name, a misspelt one, or a value that is not text."""
    mapping = rng.choice([spec, *(c[k] for c, k in _list_slots(spec) if isinstance(c[k], dict) and c[k])])
    key = rng.choice(list(mapping))
    names = [
        *_WORDS,
        str(key)[:-1],
        f"{key}s",
        str(key).upper(),
        0,
        1,
        99,
        -1,
        "00",
        "٣",
        None,
        True,
        1.5,
        "<<",
        "?",
        "",
    ]
    mapping[rng.choice(names)] = mapping.pop(key)
    return spec


def delete_value(rng: random.Random, spec: Any) -> Any:
    """Delete a value."""
    container, key = rng.choice(_list_slots(spec))
    del container[key]
    return spec


def set_option(rng: random.Random, spec: Any) -> Any:
    """Set a known option on any part of any side or level, valid there or not."""
    slot = rng.choice(list(_OPTIONS))
    option = rng.choice(list(_OPTIONS[slot]))
    part = {option: rng.choice(_OPTIONS[slot][option])}
    place = rng.choice(
        [(), ("encoder",), ("bottleneck",), ("decoder",), ("levels", rng.randrange(6)), ("levels", 1, "decoder")]
    )
    target = spec
    for step in place:
        inner = target.get(step)
        if not isinstance(inner, dict):
            inner = target[step] = {}
        target = inner
    existing = target.get(slot)
    target[slot] = {**existing, **part} if isinstance(existing, dict) else part
    return spec


def change_sizes(rng: random.Random, spec: Any) -> Any:
    """Change sizes, depth, widths or dimensions, mostly to valid values."""
    change = rng.choice(["input_size", "widths", "dims", "depth", "growth", "channels"])
    depth = rng.choice([1, 2, 3, 4, 5, 12])
    if change == "input_size":
        spec[change] = [rng.choice([1, 2, 7, 64, 97, 188, 572, 999_999]) for _ in range(rng.choice([1, 2, 2, 2, 3]))]
    elif change == "widths":
        spec[change] = [rng.choice([1, 3, 8, 64, 65_536]) for _ in range(depth + 1)]
    elif change == "growth":
        spec |= {
            "depth": depth,
            "widths": {"base": rng.choice([1, 6, 64]), "growth": rng.choice([1, 1.5, 2, 16]), "max": 4096},
        }
    else:
        spec[{"channels": "in_channels"}.get(change, change)] = depth
    return spec


def _list_slots(spec: Any) -> list[Slot]:
    """Return every value inside a spec, by its container and key."""
    slots: list[Slot] = []
    pending = [spec]
    while pending:
        container = pending.pop()
        entries = container.items() if isinstance(container, dict) else enumerate(container)
        for key, value in entries:
            slots.append((container, key))
            if isinstance(value, (dict, list)):
                pending.append(value)
    return slots or [({0: 0}, 0)]


_SCALARS: list[Any] = [
    None, True, False, 0, 1, -1, 2, 3, 7, 16, 255, 256, 65_536, 65_537, 10**15 - 1, 10**16, 10**400, -(10**20), 0.0, -0.5, 0.5, 1e-300, 1e300,
    float("inf"), float("nan"), "", " ", "none", "None", "(3, 3)", "3", "3,", "1e-5", "0x10", "0b1", "no", "~", "a\0b", "\u2028", "é" * 40, "x" * 5000,
    "../unet_paper", "/", "unet_paper", "unet_1d", ".", "*", "conv", "batch", "max_pool", "reflect",
]  # fmt: skip


def _scalar_text(value: Any) -> str:
    return str(value)[:60]


_WRAPPINGS: list[Callable[[random.Random, Any], Any]] = [
    lambda rng, value: [value],
    lambda rng, value: [copy.deepcopy(value) for _ in range(rng.choice([2, 3, 4]))],
    lambda rng, value: {"type": value},
    lambda rng, value: {rng.choice(_WORDS): value},
    lambda rng, value: {},
    lambda rng, value: [],
    lambda rng, value: _nest(value, rng.choice([5, 23, 30, 100]), rng.choice(["list", "mapping", "type"])),
    lambda rng, value: [rng.choice([3, "a", None, 1.5])] * rng.choice([14, 300]),
    lambda rng, value: {f"{rng.choice(_WORDS)}{n}": n for n in range(rng.choice([3, 100]))},
    lambda rng, value: [rng.choice([1, 2, 3, 5, 16, 255]) for _ in range(rng.choice([1, 2, 2, 3]))],
]


def _nest(value: Any, depth: int, how: str) -> Any:
    for _ in range(depth):
        value = [value] if how == "list" else {"block" if how == "mapping" else "type": value}
    return value


_AXES = [1, 2, 3, 4, 255, [1, 2], [3, 3], [2, 3], [2, 2, 3], [1]]
_LAYERS: dict[str, list[Any]] = {
    "bias": [True, False],
    "norm": [
        "batch",
        "instance",
        {"type": "group", "groups": 2},
        {"type": "group", "groups": 7},
        {"momentum": 0.5},
        "layer",
    ],
    "activation": [
        "none",
        "tanh",
        {"type": "leaky_relu", "negative_slope": 0.2},
        {"type": "prelu", "slopes": "channel"},
        {"type": "threshold"},
    ],
}
_OPTIONS: dict[str, dict[str, list[Any]]] = {
    "block": {
        "type": ["conv", "residual"], "repeats": [1, 2, 3, 64], "kernel_size": _AXES, "padding": ["valid", "zeros", "reflect", "circular"],
        "dilation": _AXES, "groups": [1, 2, 3], "order": [["norm", "activation", "conv"], ["conv"], ["conv", "dropout", "norm"], []],
        "dropout": [0.5, "none", {"type": "channel", "rate": 0.2, "place": "every"}, 1.0], "mid_channels": ["half_input", "half_output", 5], **_LAYERS,
    },
    "downsample": {"type": ["max_pool", "avg_pool", "conv"], "kernel_size": _AXES, "stride": _AXES, "rounding": ["exact", "floor", "ceil"], **_LAYERS},
    "upsample": {
        "type": ["transposed_conv", "interpolate", "pixel_shuffle"], "kernel_size": _AXES, "stride": _AXES, "factor": _AXES, "padding": [0, 1, 9, "zeros"],
        "output_padding": [0, 1, 2], "mode": ["nearest", "linear", "cubic"], "projection": ["before", "after", "none"], "channels": ["width", "keep"], **_LAYERS,
    },
    "skip": {
        "align": ["strict", "crop", "pad", "resize", {"type": "resize", "mode": "cubic"}, {"operand": "upsampled"}],
        "fusion": ["concat", "add", "multiply", "none", {"order": "upsampled_first"}],
    },
    "head": {"kernel_size": _AXES, "padding": ["reflect", "valid"], "activation": ["sigmoid", "softmax"]},
    "init": {"type": ["orthogonal", "normal", "xavier_uniform"], "std": [0.1, 0], "mode": ["fan_out"], "nonlinearity": ["linear", "leaky_relu"]},
}  # fmt: skip


# The run

BYTE_MUTATIONS = (flip_bytes, cut_bytes, insert_bytes, swap_lines, replace_tokens)
DATA_MUTATIONS = (
    replace_scalar,
    wrap_value,
    move_part,
    rename_key,
    delete_value,
    delete_value,
    *[set_option] * 4,
    *[change_sizes] * 3,
)


def mutate(rng: random.Random, raw: bytes) -> bytes:
    """Mutate the text or the data of a shipped spec."""
    if rng.random() < 0.45:
        return rng.choice(BYTE_MUTATIONS)(rng, raw)
    spec = parse_yaml(raw.decode(), "").to_data()
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        spec = rng.choice(DATA_MUTATIONS)(rng, spec) or {"dims": 2}
    dumper = yaml.SafeDumper if rng.random() < 0.5 else _WithoutAliases
    text = yaml.dump(
        spec, Dumper=dumper, sort_keys=False, default_flow_style=rng.choice([None, False, True]), allow_unicode=True
    )
    return text.encode("utf-8", "surrogatepass")


class _WithoutAliases(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


NUM_CHUNKS = 8
MUTANTS = num_examples(3_000)


@pytest.mark.effort
@pytest.mark.parametrize("chunk", range(NUM_CHUNKS))
def test_every_text_is_a_graph_or_a_spec_error(chunk: int, tmp_path: Path) -> None:
    """Only SpecErrors are raised, each problem with a line, within two seconds."""
    names = list(SEEDS)[chunk::NUM_CHUNKS]
    rng = random.Random(f"{SEED}:{chunk}")
    count = max(MUTANTS // NUM_CHUNKS, 100)
    outcomes = Counter(classify_result(mutate(rng, SEEDS[rng.choice(names)]), tmp_path) for _ in range(count))
    # Mutations that are nearly all refused, or nearly all accepted, would test little.
    assert count // 25 < outcomes["a graph"] < count // 2


def test_texts_that_once_failed(tmp_path: Path) -> None:
    """Texts that a random seed found, as files in tests/data/fuzz."""
    for file in sorted((ROOT / "tests" / "data" / "fuzz").glob("*.yaml")):
        classify_result(file.read_bytes(), tmp_path)


def classify_result(raw: bytes, folder: Path) -> str:
    """Return whether a spec file gives a graph or is rejected; fail on anything else."""
    file = folder / "spec.yaml"
    file.write_bytes(raw)
    problems: tuple[Problem, ...] = ()
    started = time.process_time()
    try:
        unetgen.graph_of(file)
        result = "a graph"
    except SpecError as error:
        result = f"rejected: {error}"
        problems = error.problems
    except Exception as error:
        raise AssertionError(raw) from error
    assert time.process_time() - started < MAX_SECONDS, raw
    assert bool(problems) is (result != "a graph"), raw
    assert all(problem.message and problem.location and problem.location.line >= 1 for problem in problems), raw
    return result.partition(":")[0]


# Malicious texts

SMALL = "dims: 2\nin_channels: 1\nout_channels: 2\nwidths: [4, 8]\n"
HUGE = "0x" + "f" * 4_000
DEEP = SMALL.replace("[4, 8]", str([4] * 13)).replace("dims: 2", "dims: 3")


def _chained_aliases() -> str:
    """Lists of eighteen levels, each containing the one before: eight hundred levels in a short text."""
    links = [f"x{n}: &x{n} {'[' * 18}{f'*x{n - 1}' if n else 1}{']' * 18}\n" for n in range(45)]
    return SMALL + "".join(links)


def _doubled_aliases() -> str:
    """Lists that contain the one before ten times each: a billion values in ten lines."""
    lists = [f"x{n}: &x{n} [{', '.join([f'*x{n - 1}' if n else 'a'] * 10)}]\n" for n in range(10)]
    return SMALL + "".join(lists)


HARMFUL = {
    "a huge number of channels": SMALL.replace("in_channels: 1", f"in_channels: {HUGE}"),
    "a huge width": SMALL.replace("[4, 8]", f"[4, {HUGE}]"),
    "a huge depth": f"{SMALL}depth: {HUGE}",
    "a huge size": f"{SMALL}input_size: [{HUGE}, 4]",
    "a huge kernel": f"{SMALL}block: {{kernel_size: {HUGE}}}",
    "a huge rate": f"{SMALL}block: {{dropout: {HUGE[:300]}}}",
    "a level of five thousand digits": f"{SMALL}levels:\n  ? {'9' * 5_000}\n  : {{block: residual}}",
    "a base with a null byte": f'{SMALL}extends: "a\\0b"',
    "a base with a long name": f"{SMALL}extends: {'a' * 3_000}",
    "a base that is a folder": f"{SMALL}extends: /",
    "a base that is itself": f"{SMALL}extends: spec.yaml",
    "chained aliases": _chained_aliases(),
    "doubled aliases": _doubled_aliases(),
    "an alias inside its anchor": f"{SMALL}block: &a {{norm: *a}}",
    "brackets": f"{SMALL}block: {'[' * 100_000}",
    "braces": f"{SMALL}block: {'{' * 100_000}",
    "unknown options": f"{SMALL}block: {{{', '.join(f'k{n}: 1' for n in range(9_000))}}}",
    "unknown keys": SMALL + "".join(f"k{n}: 1\n" for n in range(9_000)),
    "a long order": f"{SMALL}block: {{order: [{', '.join(['conv'] * 15_000)}]}}",
    "a long name of a part": f"{SMALL}block: {'a' * 900_000}",
    "a megabyte": f"{SMALL}description: {'a' * 1_000_001}",
    "sizes of a deep network": f"{DEEP}downsample: {{type: max_pool, rounding: floor}}\ninput_size: [300, 300, 300]",
    "sizes of a deep and long network": (
        f"{DEEP}block: {{repeats: 64}}\ndownsample: {{type: max_pool, rounding: floor}}\ninput_size: [300, 300, 300]"
    ),
}


@pytest.mark.parametrize("text", HARMFUL.values(), ids=HARMFUL.keys())
def test_malicious_text_is_rejected_quickly(text: str, tmp_path: Path) -> None:
    """Huge numbers, names, nestings and lists cause neither a traceback nor a delay."""
    assert classify_result(text.encode(), tmp_path) == "rejected"
