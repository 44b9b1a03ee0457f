"""unetgen predict: run a network on image files, tile by tile."""

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
from unetgen.config.weights_file import is_weights_path
from unetgen.errors import ImageError, SizeError, SourceLocation

if TYPE_CHECKING:
    from unetgen.network.unet import UNet
    from unetgen.preprocessing import Preprocessing
    from unetgen.tiling.files.axis_order import AxisOrder
    from unetgen.tiling.files.image_file import ImageFile

_EPILOG = """\b
Examples:
  unetgen predict trained.safetensors scan.tif -o masks
  unetgen predict trained.safetensors slides/*.zarr -o masks --tile 1024 --batch 4
  unetgen predict trained.safetensors brain.nii.gz -o out --keep probabilities --normalize zscore"""

# The option values of unetgen.tiling, which needs torch and is imported when the command runs.
_RESULT_KINDS = ["labels", "probabilities", "outputs"]
_NORMALIZATIONS = ["unit", "zscore", "none"]


@click.command(epilog=_EPILOG)
@click.argument("spec")
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="IMAGE...")
@click.option("-o", "--out", "folder", required=True, type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="Output directory; results have the names of the images.")  # fmt: skip
@click.option("--keep", type=click.Choice(_RESULT_KINDS), default="labels", show_default=True, help="Kind of result.")
@click.option("--normalize", type=click.Choice(_NORMALIZATIONS),
              help="unit: scale integers to 0..1; zscore: mean 0, standard deviation 1 (default: as in training, "
              "unit if the file does not say).")  # fmt: skip
@click.option("--axes", type=click.Choice(["xyz", "zyx"]),
              help="Order of the axes of NIfTI images (default: as in training, or xyz).")  # fmt: skip
@click.option("--tile", type=InputSize(), help="Tile size (default: the spec's input size).")
@click.option("--batch", type=click.IntRange(1), default=1, show_default=True, help="Number of tiles per batch.")
@click.option("--seams", is_flag=True, help="Accept tiles that are too small for exact results.")
@click.option("--device", default="cpu", show_default=True, help="Device: cpu, cuda, mps.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of a spec's initial weights.")
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
    """Run a network on images of any size, tile by tile; results equal those of the whole images.

    SPEC is a weights file of unetgen, or a spec, which has no trained weights. Images are PNG, JPEG, TIFF, NIfTI, .npy
    and .zarr. A result has its image's format, or TIFF if that format stores bytes only.
    """
    registry = load_command_registry(plugins)
    model = load_model(spec, assignments, seed, registry).to(_resolve_device(device))
    if not is_weights_path(spec):
        click.echo(f"note: {spec}: a spec has no trained weights; using initial weights of seed {seed}", err=True)
    chosen = prediction_options.pop("normalize"), prediction_options.pop("axes")
    preprocessing = _choose_preprocessing(spec, model.preprocessing, *chosen)
    jobs = _plan_jobs(model, images, folder, preprocessing.axes, prediction_options["keep"] == "labels")
    _create_directory(folder)
    for image, target in jobs:
        with _prefix_errors(image.path):
            click.echo(f"{target}: {_predict_image(model, image, target, preprocessing, **prediction_options)}")


def _resolve_device(name: str) -> Any:
    import torch

    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise click.UsageError(f"--device {name}: {reason}; use another device, or cpu") from None


def _choose_preprocessing(
    spec: str, known: Preprocessing | None, normalize: str | None, axes: str | None
) -> Preprocessing:
    """Return the preprocessing of a weights file, or that of the options if the file says nothing.

    An option that contradicts the file is an error, since the network would see other images than in training.
    """
    from unetgen.preprocessing import Preprocessing

    if known is None:
        return Preprocessing(normalization=normalize or "unit", axes=axes)  # type: ignore[arg-type]  # click's choices
    if normalize not in (None, known.normalization):
        raise click.UsageError(
            f"--normalize {normalize} contradicts {spec}, whose normalization is {known.normalization}; "
            "remove --normalize"
        )
    if known.axes and axes not in (None, known.axes):
        raise click.UsageError(f"--axes {axes} contradicts {spec}, whose axes are {known.axes}; remove --axes")
    if known.downsampling > 1:
        factor = known.downsampling
        message = f"{spec} was trained on images downsampled by {factor}; downsample the images by {factor} too"
        click.echo(f"warning: {message}", err=True)
    return known.model_copy(update={"axes": known.axes or axes})


def _plan_jobs(
    model: UNet, images: Sequence[Path], folder: Path, axes: AxisOrder | None, as_labels: bool
) -> list[tuple[ImageFile, Path]]:
    """Return each image with the path of its result, after checking all of them."""
    from unetgen.tiling.argument_checks import check_image
    from unetgen.tiling.files.formats import check_output_path, output_path, read_image

    jobs: dict[Path, ImageFile] = {}
    image_directories = {folder for image in images for folder in _find_containing_directories(image)}
    for image in images:
        image_file = read_image(image, model.graph.dims, axes)
        with _prefix_errors(image):
            check_image(model.graph, image_file.array)
        target = output_path(folder, image_file, as_labels)
        if target in jobs:
            raise ImageError(f"{image}: its result {target} is also that of {jobs[target].path}; use another --out")
        # An existing result may be an image itself.
        if target.exists() and image_directories & _find_containing_directories(target):
            raise ImageError(
                f"{image}: its result would overwrite {target} in a directory of images; choose another --out"
            )
        check_output_path(target)
        jobs[target] = image_file
    return [(image_file, target) for target, image_file in jobs.items()]


def _find_containing_directories(path: Path) -> set[Path]:
    """Return the directory of a file, and that of the target if it is a link."""
    return {path.parent.resolve(), path.resolve().parent}


def _create_directory(folder: Path) -> None:
    """Create the output directory. Raise ImageError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImageError(
            f"{folder}: cannot be created: {str(error.strerror or error).lower()}; choose another --out"
        ) from None


def _predict_image(
    model: UNet,
    image: ImageFile,
    target: Path,
    preprocessing: Preprocessing,
    *,
    keep: Any,
    tile: tuple[int, ...] | None,
    batch: int,
    seams: bool,
) -> str:
    """Predict one image; return a description of the result."""
    from unetgen.tiling.files.class_values import ClassValueArray, get_class_value_dtype
    from unetgen.tiling.files.formats import open_output
    from unetgen.tiling.files.normalization import normalize_image
    from unetgen.tiling.postprocessing import get_result_format
    from unetgen.tiling.predict import predict
    from unetgen.tiling.tile_choice import describe_high_cost, plan_tiles

    size = tuple(image.array.shape[1:])
    channels, dtype = get_result_format(model, keep)
    tile_size = tile[0] if tile and len(tile) == 1 else tile
    if warning := describe_high_cost(model, size, plan_tiles(model, size, tile_size, exact=not seams)):
        click.echo(f"warning: {image.path}: {warning}", err=True)
    num_tiles = 0

    def on_progress(num_done: int, total: int) -> None:
        nonlocal num_tiles
        num_tiles = total
        update_bar(num_done, total)

    values = preprocessing.class_values if keep == "labels" else ()
    if values:
        dtype = get_class_value_dtype(values, target)
    with open_output(target, (channels, *size), dtype, image) as out, _show_progress(image.path.name) as update_bar:
        predict(
            model,
            normalize_image(image.array, preprocessing.normalization),
            tile=tile_size,
            batch=batch,
            keep=keep,
            exact=not seams,
            out=ClassValueArray(out, values) if values else out,
            progress=on_progress,
        )
    count = "1 tile" if num_tiles == 1 else f"{num_tiles:,} tiles"
    return f"{keep}, {' x '.join(map(str, (channels, *size)))}, from {count}"


@contextmanager
def _prefix_errors(path: Path) -> Iterator[None]:
    """Prefix size errors and warnings with the path of the image."""
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield
    except ImageError as error:
        text = str(error).removeprefix("image: ")
        raise ImageError(text if text.startswith(str(path)) else f"{path}: {text}") from None
    except SizeError as error:
        raise SizeError([replace(problem, location=SourceLocation(str(path))) for problem in error.problems]) from None
    finally:
        for warning in caught:
            click.echo(f"warning: {path}: {warning.message}", err=True)


@contextmanager
def _show_progress(name: str) -> Iterator[Any]:
    """Show a progress bar on stderr if it is a terminal; yield a function that updates it."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(name)
        yield lambda num_done, total: bar.update(task, completed=num_done, total=total)
