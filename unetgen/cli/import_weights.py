"""unetgen import-weights: the weights of another implementation into ours, and back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from unetgen.cli.options import format_option, load_command_registry, load_spec, plugin_option, set_option

if TYPE_CHECKING:
    from unetgen.config.registry.registry import Registry
    from unetgen.config.spec import Spec
    from unetgen.network.weights.import_report import ImportReport

_EPILOG = """\b
Examples:
  unetgen import-weights unet_milesial theirs.pth --out ours.safetensors
  unetgen import-weights my.yaml theirs.pth --write-key-map names.yaml
  unetgen import-weights my.yaml theirs.pth --key-map names.yaml --format json
  unetgen import-weights my.yaml ours.safetensors --invert --like theirs.pth --out back.pth"""

_FILE_TYPE = click.Path(dir_okay=False, path_type=Path)


@dataclass(frozen=True, slots=True)
class _ImportRequest:
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
@click.argument("file", type=_FILE_TYPE)
@click.option("--out", type=_FILE_TYPE, help="Write the weights here; without it they are only compared.")
@click.option("--key-map", metavar="NAME|FILE", help="What their layers are called here: a shipped map or a YAML file.")
@click.option(
    "--write-key-map", type=_FILE_TYPE, help="Write what was matched as a key map, to be read and used again."
)
@click.option("--partial", is_flag=True, help="Take what matches; the rest of ours keeps its first weights.")
@click.option("--seed", type=int, default=0, show_default=True, help="The seed of the first weights that are kept.")
@click.option("--invert", is_flag=True, help="FILE is ours; write it under their names. A .pt or .pth is torch's.")
@click.option("--like", type=_FILE_TYPE, help="With --invert: a file of theirs that has the names.")
@format_option
@set_option
@plugin_option
def command(
    spec: str, output_format: str, assignments: tuple[str, ...], plugins: tuple[str, ...], **options: Any
) -> None:
    """Match FILE, the weights of another implementation, with the network of SPEC, by a key map or by structure."""
    wanted = _ImportRequest(**options)
    if wanted.like is not None and not wanted.invert:
        raise click.UsageError("--like gives the names to write with --invert; add --invert, or leave --like out")
    registry = load_command_registry(plugins)
    checked = load_spec(spec, assignments, registry)
    report = _export_weights(checked, wanted) if wanted.invert else _import_weights(checked, wanted, registry)
    if wanted.write_key_map is not None:
        _write_key_map(report, wanted.write_key_map)
    if output_format == "json":
        click.echo(json.dumps(report.to_dict(), indent=2))
        return
    written = [("key map", str(wanted.write_key_map))] if wanted.write_key_map else []
    written += [("written", str(wanted.out))] if wanted.out else []
    for name, sentence in [*report.format_lines(), *written]:
        click.echo(f"{name:<16} {sentence}")


def _import_weights(spec: Spec, request: _ImportRequest, registry: Registry) -> ImportReport:
    from unetgen.api import build
    from unetgen.network.weights.checkpoint import save
    from unetgen.network.weights.importing import import_weights

    # First weights are drawn only where some of them may stay.
    needed = request.partial or spec.model_built
    model = build(spec, seed=request.seed, registry=registry) if needed else build(spec, device="meta")
    report = import_weights(model, request.file, key_map=request.key_map, partial=request.partial)
    if request.out is not None:
        save(model, request.out)
    return report


def _export_weights(spec: Spec, request: _ImportRequest) -> ImportReport:
    from unetgen.api import build
    from unetgen.network.weights.checkpoint import load_weights
    from unetgen.network.weights.inverse_import import export_with_key_map
    from unetgen.network.weights.tensor_file import write_state_dict

    model = build(spec, device="meta")
    load_weights(model, request.file)
    tensors, report = export_with_key_map(model, key_map=request.key_map, like=request.like, partial=request.partial)
    if request.out is not None:
        write_state_dict(tensors, request.out)
    return report


def _write_key_map(report: ImportReport, path: Path) -> None:
    from unetgen.network.weights.key_map import write_key_map

    by = "structure" if report.key_map is None else f"the key map {report.key_map}"
    heading = f"Layers of {report.source} on the left, ours on the right, matched by {by}."
    write_key_map({**report.layer_pairs, **dict.fromkeys(report.ignored)}, heading, path)
