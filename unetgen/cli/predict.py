"""unetgen predict: a network over images in files, in tiles."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from unetgen.cli.options import InputSize, load_command_registry, load_model, plugin_option, set_option
from unetgen.errors import ImageError, SizeError, SourceLocation

if TYPE_CHECKING:
    from unetgen.network.unet import UNet
    from unetgen.tiling.files.image_file import ImageFile

_EPILOG = """\b
Examples:
  unetgen predict trained.safetensors scan.tif -o masks
  unetgen predict trained.safetensors slides/*.zarr -o masks --tile 1024 --batch 4
  unetgen predict trained.safetensors brain.nii.gz -o out --keep probabilities --normalize zscore"""

# The words of unetgen.tiling, which is imported when the command runs: it needs torch.
_RESULT_KINDS = ["labels", "probabilities", "outputs"]
_NORMALIZATIONS = ["unit", "zscore", "none"]


@click.command(epilog=_EPILOG)
@click.argument("spec")
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="IMAGE...")
@click.option("-o", "--out", "folder", required=True, type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="Where results go, under the images' names.")  # fmt: skip
@click.option("--keep", type=click.Choice(_RESULT_KINDS), default="labels", show_default=True, help="What is written.")
@click.option("--normalize", type=click.Choice(_NORMALIZATIONS), default="unit", show_default=True,
              help="unit: integers from 0 to 1; zscore: mean 0, deviation 1.")  # fmt: skip
@click.option(
    "--tile", type=InputSize(), help="What goes into the network at a time; the spec's input size unless said."
)
@click.option("--batch", type=click.IntRange(1), default=1, show_default=True, help="Tiles that go in together.")
@click.option("--seams", is_flag=True, help="Accept tiles too small to be joined exactly.")
@click.option("--device", default="cpu", show_default=True, help="Where the network runs: cpu, cuda, mps.")
@click.option("--seed", type=int, default=0, show_default=True, help="The seed of a spec's first weights.")
@set_option
@plugin_option
def command(
    spec: str,
    images: tuple[Path, ...],
    folder: Path,
    assignments: tuple[str, ...],
    plugins: tuple[str, ...],
    device: str,
    seed: int,
    **prediction_options: Any,
) -> None:
    """Run a network over images of any size, tile by tile, joined as if each were one piece.

    SPEC is a weights file of unetgen, or a spec, whose weights are then not trained. Images are PNG, JPEG, TIFF, NIfTI,
    .npy and .zarr; a result is written in its image's format, or where that holds bytes only, in TIFF.
    """
    registry = load_command_registry(plugins)
    model = load_model(spec, assignments, seed, registry).to(_resolve_device(device))
    if not spec.endswith(".safetensors"):
        click.echo(f"note: {spec}: a spec has no trained weights; these are the first ones, of seed {seed}", err=True)
    jobs = _plan_jobs(model, images, folder, prediction_options["keep"] == "labels")
    _create_directory(folder)
    for picture, target in jobs:
        with _prefix_errors(picture.path):
            click.echo(f"{target}: {_predict_image(model, picture, target, **prediction_options)}")


def _resolve_device(name: str) -> Any:
    import torch

    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        why = str(error).splitlines()[0].rstrip(".")
        raise click.UsageError(f"--device {name}: {why}; take another, or cpu") from None


def _plan_jobs(model: UNet, images: Sequence[Path], folder: Path, as_labels: bool) -> list[tuple[ImageFile, Path]]:
    """Every image with the place of its result, all looked at before the first is run."""
    from unetgen.tiling.argument_checks import check_image
    from unetgen.tiling.files.formats import check_output_path, output_path, read_image

    jobs: dict[Path, ImageFile] = {}
    homes = {home for image in images for home in _find_containing_directories(image)}
    for image in images:
        picture = read_image(image, model.graph.dims)
        with _prefix_errors(image):
            check_image(model.graph, picture.array)
        place = output_path(folder, picture, as_labels)
        if place in jobs:
            raise ImageError(f"{image}: its result would be {place}, as that of {jobs[place].path}; run them apart")
        # It may be an image itself, of this run or of another.
        if place.exists() and homes & _find_containing_directories(place):
            raise ImageError(
                f"{image}: its result would be written over {place}, beside an image; choose another folder"
            )
        check_output_path(place)
        jobs[place] = picture
    return [(picture, place) for place, picture in jobs.items()]


def _find_containing_directories(path: Path) -> set[Path]:
    """The folder a file is in, and that of what it is a link to."""
    return {path.parent.resolve(), path.resolve().parent}


def _create_directory(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImageError(f"{folder}: cannot be made: {error.strerror or error}; choose another folder") from None


def _predict_image(
    model: UNet,
    image: ImageFile,
    target: Path,
    *,
    keep: Any,
    normalize: Any,
    tile: tuple[int, ...] | None,
    batch: int,
    seams: bool,
) -> str:
    """Runs one image, and says what was written."""
    from unetgen.tiling.files.formats import open_output
    from unetgen.tiling.files.normalization import normalize_image
    from unetgen.tiling.postprocessing import get_result_format
    from unetgen.tiling.predict import predict

    size = tuple(image.array.shape[1:])
    channels, dtype = get_result_format(model, keep)
    tiles = 0

    def heard(done: int, of: int) -> None:
        nonlocal tiles
        tiles = of
        shown(done, of)

    with open_output(target, (channels, *size), dtype, image) as out, _show_progress(image.path.name) as shown:
        predict(
            model,
            normalize_image(image.array, normalize),
            tile=tile[0] if tile and len(tile) == 1 else tile,
            batch=batch,
            keep=keep,
            exact=not seams,
            out=out,
            progress=heard,
        )
    count = "1 tile" if tiles == 1 else f"{tiles:,} tiles"
    return f"{keep}, {' x '.join(map(str, (channels, *size)))}, from {count}"


@contextmanager
def _prefix_errors(path: Path) -> Iterator[None]:
    """What is said of sizes and seams while an image is run names its file."""
    try:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            yield
    except SizeError as error:
        raise SizeError([replace(problem, location=SourceLocation(str(path))) for problem in error.problems]) from None
    finally:
        for warning in told:
            click.echo(f"warning: {path}: {warning.message}", err=True)


@contextmanager
def _show_progress(name: str) -> Iterator[Any]:
    """A bar on stderr, on a terminal only."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(name)
        yield lambda done, of: bar.update(task, completed=done, total=of)
