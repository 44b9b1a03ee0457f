"""unetgen import-weights: import weights of another implementation, or export ours to it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from unetgen.cli.options import format_option, load_command_registry, load_spec, plugin_option, set_option
from unetgen.errors import WeightsError

if TYPE_CHECKING:
    from unetgen.config.registry.registry import Registry
    from unetgen.config.spec import Spec
    from unetgen.network.weights.import_report import ImportReport
    from unetgen.preprocessing import Preprocessing

_EPILOG = """\b
Examples:
  unetgen import-weights unet_milesial theirs.pth --out ours.safetensors
  unetgen import-weights my.yaml theirs.pth --write-key-map names.yaml
  unetgen import-weights my.yaml theirs.pth --key-map names.yaml --format json
  unetgen import-weights my.yaml ours.safetensors --invert --like theirs.pth --out back.pth"""

_FILE_TYPE = click.Path(dir_okay=False, path_type=Path)


@dataclass(frozen=True, slots=True)
class _ImportRequest:
    """The options of one import."""

    file: Path
    out: Path | None
    key_map: str | None
    write_key_map: Path | None
    like: Path | None
    seed: int
    partial: bool
    invert: bool
    preprocessing: Path | None


@click.command(epilog=_EPILOG)
@click.argument("spec")
@click.argument("file", type=_FILE_TYPE)
@click.option("--out", type=_FILE_TYPE, help="Output file (default: only compare).")
@click.option("--key-map", metavar="NAME|FILE", help="Map of layer names: a shipped one or a YAML file.")
@click.option("--write-key-map", type=_FILE_TYPE, help="Write the matched layers as a key map, for review and reuse.")
@click.option("--partial", is_flag=True, help="Import the layers that match; others keep their initial weights.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the initial weights.")
@click.option(
    "--invert",
    is_flag=True,
    help="Export FILE, weights of unetgen, under the other names.",
)
@click.option("--like", type=_FILE_TYPE, help="With --invert: a file of the other implementation, which has its names.")
@click.option("--preprocessing", type=_FILE_TYPE, help="JSON file of what the network expects of its images.")
@format_option
@set_option
@plugin_option
def command(
    spec: str, output_format: str, assignments: tuple[str, ...], plugins: tuple[str, ...], **options: Any
) -> None:
    """Match FILE, weights of another implementation, with the network of SPEC, by a key map or by structure."""
    request = _ImportRequest(**options)
    if request.like is not None and not request.invert:
        raise click.UsageError("--like has no effect without --invert; add --invert, or remove --like")
    if request.preprocessing is not None and (request.invert or request.out is None):
        raise click.UsageError("--preprocessing is stored in the file of --out, without --invert; add --out")
    registry = load_command_registry(plugins)
    loaded_spec = load_spec(spec, assignments, registry)
    report = (
        _export_weights(loaded_spec, request) if request.invert else _import_weights(loaded_spec, request, registry)
    )
    if request.write_key_map is not None:
        _write_key_map(report, request.write_key_map)
    if output_format == "json":
        click.echo(json.dumps(report.to_dict(), indent=2))
        return
    written = [("key map", str(request.write_key_map))] if request.write_key_map else []
    written += [("written", str(request.out))] if request.out else []
    for name, sentence in [*report.format_lines(), *written]:
        click.echo(f"{name:<16} {sentence}")


def _import_weights(spec: Spec, request: _ImportRequest, registry: Registry) -> ImportReport:
    from unetgen.api import build
    from unetgen.network.weights.checkpoint import save
    from unetgen.network.weights.importing import import_weights

    # Initial weights are sampled only if some of them may be kept.
    is_initialized = request.partial or spec.model_built
    model = build(spec, seed=request.seed, registry=registry) if is_initialized else build(spec, device="meta")
    report = import_weights(model, request.file, key_map=request.key_map, partial=request.partial)
    if request.out is not None:
        save(model, request.out, preprocessing=_read_preprocessing(request.preprocessing))
    return report


def _read_preprocessing(path: Path | None) -> Preprocessing | None:
    """Read what the network expects of its images. Raises WeightsError."""
    from unetgen.preprocessing import Preprocessing

    if path is None:
        return None
    try:
        return Preprocessing.parse(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise WeightsError(f"{path}: cannot be read: {reason}; give a file that from-nnunet wrote") from None


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

    by = report.method if report.key_map is None else f"the key map {report.key_map}"
    heading = f"Layers of {report.source} on the left, of unetgen on the right, matched by {by}."
    write_key_map({**report.layer_pairs, **dict.fromkeys(report.ignored)}, heading, path)
