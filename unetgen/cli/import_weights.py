"""unetgen import-weights: the weights of another implementation into ours, and back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from unetgen.cli.options import format_option, loaded, plugin_option, registry_with, set_option

if TYPE_CHECKING:
    from unetgen.config.registry import Registry
    from unetgen.config.spec import Spec
    from unetgen.network.weights.report import Import

_EPILOG = """\b
Examples:
  unetgen import-weights unet_milesial theirs.pth --out ours.safetensors
  unetgen import-weights my.yaml theirs.pth --write-key-map names.yaml
  unetgen import-weights my.yaml theirs.pth --key-map names.yaml --format json
  unetgen import-weights my.yaml ours.safetensors --invert --like theirs.pth --out back.pth"""

_FILE = click.Path(dir_okay=False, path_type=Path)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What the command line says of one import."""

    file: Path
    out: Path | None
    key_map: str | None
    write_key_map: Path | None
    like: Path | None
    seed: int
    partial: bool
    invert: bool


@click.command(epilog=_EPILOG)
@click.argument("spec")
@click.argument("file", type=_FILE)
@click.option("--out", type=_FILE, help="Write the weights here; without it they are only compared.")
@click.option("--key-map", metavar="NAME|FILE", help="What their layers are called here: a shipped map or a YAML file.")
@click.option("--write-key-map", type=_FILE, help="Write what was matched as a key map, to be read and used again.")
@click.option("--partial", is_flag=True, help="Take what matches; the rest of ours keeps its first weights.")
@click.option("--seed", type=int, default=0, show_default=True, help="The seed of the first weights that are kept.")
@click.option("--invert", is_flag=True, help="FILE is ours; write it under their names. A .pt or .pth is torch's.")
@click.option("--like", type=_FILE, help="With --invert: a file of theirs that has the names.")
@format_option
@set_option
@plugin_option
def command(spec: str, form: str, assignments: tuple[str, ...], plugins: tuple[str, ...], **options: Any) -> None:
    """Match FILE, the weights of another implementation, with the network of SPEC, by a key map or by structure."""
    wanted = _Wanted(**options)
    if wanted.like is not None and not wanted.invert:
        raise click.UsageError("--like gives the names to write with --invert; add --invert, or leave --like out")
    registry = registry_with(plugins)
    checked = loaded(spec, assignments, registry)
    report = _inverted(checked, wanted) if wanted.invert else _imported(checked, wanted, registry)
    if wanted.write_key_map is not None:
        _write_key_map(report, wanted.write_key_map)
    if form == "json":
        click.echo(json.dumps(report.record(), indent=2))
        return
    written = [("key map", str(wanted.write_key_map))] if wanted.write_key_map else []
    written += [("written", str(wanted.out))] if wanted.out else []
    for name, sentence in [*report.lines(), *written]:
        click.echo(f"{name:<16} {sentence}")


def _imported(spec: Spec, wanted: _Wanted, registry: Registry) -> Import:
    from unetgen.api import build
    from unetgen.network.weights.checkpoint import save
    from unetgen.network.weights.importing import import_weights

    # First weights are drawn only where some of them may stay.
    needed = wanted.partial or spec.model_built
    model = build(spec, seed=wanted.seed, registry=registry) if needed else build(spec, device="meta")
    report = import_weights(model, wanted.file, key_map=wanted.key_map, partial=wanted.partial)
    if wanted.out is not None:
        save(model, wanted.out)
    return report


def _inverted(spec: Spec, wanted: _Wanted) -> Import:
    from unetgen.api import build
    from unetgen.network.weights.checkpoint import load_weights
    from unetgen.network.weights.file import write_state_dict
    from unetgen.network.weights.inversion import inverted

    model = build(spec, device="meta")
    load_weights(model, wanted.file)
    tensors, report = inverted(model, key_map=wanted.key_map, like=wanted.like, partial=wanted.partial)
    if wanted.out is not None:
        write_state_dict(tensors, wanted.out)
    return report


def _write_key_map(report: Import, path: Path) -> None:
    from unetgen.network.weights.key_map import write_key_map

    by = "structure" if report.key_map is None else f"the key map {report.key_map}"
    heading = f"Layers of {report.source} on the left, ours on the right, matched by {by}."
    write_key_map({**report.layers, **dict.fromkeys(report.left_out)}, heading, path)
