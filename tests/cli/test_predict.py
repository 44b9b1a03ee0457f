"""unetgen predict: images in files of every kind, tile by tile, and everything that is wrong with them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import zarr
from PIL import Image

import unetgen
from support.command_line import RunCli
from support.image_files import BYTES, NUMBERS, WRITERS, pixels, write_picture, write_tiff, write_zarr
from unetgen.tiling import predict
from unetgen.tiling.files.formats import FORMATS, open_output, read_image
from unetgen.tiling.files.normalization import normalize_image

pytestmark = pytest.mark.usefixtures("single_torch_thread")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network whose answers differ from pixel to pixel."""
    path = tmp_path_factory.mktemp("weights") / "net.safetensors"
    model = unetgen.build("unet_paper", seed=0, input_size=None, depth=2, widths=[4, 4, 4])
    answers = predict(model, NUMBERS[None], tile=92)
    list(model.parameters())[-1].data[0] += float(np.median(answers[1] - answers[0]))  # the head's bias
    unetgen.save(model, path)
    return path


@pytest.mark.parametrize("keep", ["labels", "probabilities"])
@pytest.mark.parametrize("suffix", FORMATS)
def test_a_file_gives_the_result_of_its_array(
    suffix: str, keep: Any, weights: Path, tmp_path: Path, run_cli: RunCli
) -> None:
    image = tmp_path / f"image{suffix}"
    WRITERS[suffix](image)
    done = run_cli("predict", str(weights), str(image), "-o", str(tmp_path / "out"), "--tile", "92", "--keep", keep)
    assert (done.code, done.err) == (0, "")
    bytewise = suffix in (".png", ".jpg", ".jpeg", ".bmp")
    written = tmp_path / "out" / f"image{(('.png' if keep == 'labels' else '.tif') if bytewise else suffix)}"
    channels = 1 if keep == "labels" else 2
    assert done.out == f"{written}: {keep}, {channels} x 150 x 130, from 9 tiles\n"

    stored = pixels(image).astype("float32").reshape(1, 150, 130)
    scale = {np.dtype("u1"): 255, np.dtype("u2"): 65535}.get(pixels(image).dtype, 1)
    model = unetgen.load(weights)
    expected = predict(model, stored / np.float32(scale), tile=92, keep=keep)
    result = pixels(written)
    if suffix in (".nii", ".nii.gz") and keep != "labels":
        result = np.moveaxis(result, -1, 0)
    if keep == "labels":
        assert result.dtype == np.uint8
        assert 0 < result.sum() < result.size
        assert np.array_equal(result.reshape(expected.shape), expected)
    else:
        assert np.allclose(result, expected, atol=1e-6)
    assert [path.name for path in (tmp_path / "out").iterdir()] == [written.name]  # and nothing half done


def test_volumes_keep_their_affine(weights: Path, tmp_path: Path, run_cli: RunCli) -> None:
    volume = np.random.default_rng(0).normal(size=(12, 20, 24)).astype("float32")
    affine = np.array([[0, 2, 0, 5], [1.5, 0, 0, -7], [0, 0, 3, 9], [0, 0, 0, 1.0]])
    nibabel.save(nibabel.Nifti1Image(volume, affine), tmp_path / "v.nii.gz")
    arguments = ["--set", "widths=[4, 4]", "--set", "in_channels=1", "--set", "block.padding=zeros", "--tile", "24"]
    done = run_cli("predict", "unet_3d", str(tmp_path / "v.nii.gz"), "-o", str(tmp_path / "out"), *arguments)
    assert done.code == 0
    assert done.err == "note: unet_3d: a spec has no trained weights; using initial weights of seed 0\n"
    result = nibabel.load(tmp_path / "out" / "v.nii.gz")
    assert result.shape == volume.shape
    assert np.array_equal(result.affine, affine)


REFUSED = {
    "no suffix": (["x.txt"], 1, "x.txt: unknown image format; use one of .npy, .zarr, .tif, .tiff, .nii, .nii.gz, .png, .jpg, .jpeg, .bmp"),
    "no file": (["none.png"], 1, "none.png: file not found; check the path"),
    "no image": (["bad.png"], 1, "bad.png: cannot be read: UnidentifiedImageError: cannot identify image file 'bad.png'; save it again, or in another format"),
    "colour": (["colour.png"], 1, "colour.png: image: shape must be (1, size, size), not (3, 150, 130); check in_channels"),
    "channels last": (["last.npy"], 1, "last.npy: image: shape must be (1, size, size), not (70, 90, 1); move the channel axis to the front"),
    "no pixels": (["empty.npy"], 1, "empty.npy: image: shape (1, 0, 9) has no pixels; pass an image with at least one pixel on each axis"),
    "no .npy": (["bad.npy"], 1, "bad.npy: is not a .npy file; save the image with numpy.save"),
    "objects": (["objects.npy"], 1, "objects.npy: contains Python objects, which are not loaded; save an array of numbers"),
    "cut short": (["short.npy"], 1, "short.npy: cannot be read: ValueError: mmap length is greater than file size; save it again, or in another format"),
    "words": (["words.npy"], 1, "words.npy: data type must be real numbers, not <U3; convert the image"),
    "axes": (["four.npy"], 1, "four.npy: must have 2 axes, or 3 with channels, not 4 (2 x 3 x 4 x 5); crop the image, or choose a network of other dims"),
    "group": (["group.zarr"], 1, "group.zarr: is a group, not an array; pass one of its arrays: group.zarr/0"),
    "over itself": (["grey.png", "-o", "."], 1, "grey.png: its result would overwrite grey.png in a directory of images; choose another --out"),
    "over another": (["grey.jpg", "-o", "."], 1, "grey.jpg: its result would overwrite grey.png in a directory of images; choose another --out"),
    "over one of this run": (["grey.jpg", "apart/four.png", "-o", "apart"], 1, "apart/four.png: its result would overwrite apart/four.png in a directory of images; choose another --out"),
    "over a link's image": (["link.jpg", "-o", "apart"], 1, "link.jpg: its result would overwrite apart/link.png in a directory of images; choose another --out"),
    "over a folder": (["grey.png", "-o", "kept"], 1, "kept/grey.png: is a directory and is not overwritten; move it, or choose another --out"),
    "over a group": (["array.zarr", "-o", "kept"], 1, "kept/array.zarr: is a directory and is not overwritten; move it, or choose another --out"),
    "no folder": (["grey.png", "-o", "grey.jpg/out"], 1, "grey.jpg/out: cannot be created: not a directory; choose another --out"),
    "twice": (["grey.png", "grey.jpg"], 1, "grey.jpg: its result out/grey.png is also that of grey.png; use another --out"),
    "tile": (["grey.png", "--tile", "21"], 1, "grey.png: tile: 21 on axis H gives 17 at level 0, which max_pool cannot halve; the smallest that fits is 44 (output 4)\ngrey.png: tile: 21 on axis W gives 17 at level 0, which max_pool cannot halve; the smallest that fits is 44 (output 4)"),
    "tile axes": (["grey.png", "--tile", "92x92x92"], 1, "grey.png: tile: 3 sizes for a network of 2 dimensions; set one size for all axes"),
    "device": (["grey.png", "--device", "meta:x"], 2, "Error: --device meta:x: Invalid device string: 'meta:x'; use another device, or cpu"),
    "set": (["grey.png", "--set", "depth=2"], 2, "Error: --set cannot change the spec in a weights file; remove --set"),
}  # fmt: skip


def everything_refused() -> None:
    """Writes the files that REFUSED names into the current folder."""
    Path("bad.png").write_bytes(b"nothing")
    Path("bad.npy").write_bytes(b"nothing")
    write_picture(Path("grey.png"))
    write_picture(Path("grey.jpg"))
    Image.fromarray(np.stack([BYTES] * 3, -1)).save("colour.png")
    np.save("four.npy", np.zeros((2, 3, 4, 5)))
    np.save("last.npy", np.zeros((70, 90, 1)))
    np.save("empty.npy", np.zeros((1, 0, 9)))
    np.save("words.npy", np.array([["one", "two"]]))
    np.save("objects.npy", np.array([[{}]]), allow_pickle=True)
    Path("short.npy").write_bytes(Path("last.npy").read_bytes()[:200])
    zarr.open_group("group.zarr", mode="w").create_array("0", data=NUMBERS)
    write_zarr(Path("array.zarr"))
    Path("apart").mkdir()
    write_picture(Path("apart/four.png"))
    write_picture(Path("apart/link.png"))
    write_picture(Path("apart/linked.jpg"))
    Path("link.jpg").symlink_to("apart/linked.jpg")
    Path("kept/grey.png").mkdir(parents=True)
    Path("kept/grey.png/thesis.txt").write_text("years of work")
    zarr.open_group("kept/array.zarr", mode="w").create_array("0", data=NUMBERS)


@pytest.mark.parametrize("name", REFUSED)
def test_invalid_arguments_are_reported(name: str, weights: Path, tmp_path: Path, run_cli: RunCli) -> None:
    from contextlib import chdir

    arguments, code, sentence = REFUSED[name]
    with chdir(tmp_path):
        everything_refused()
        before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
        folder = [] if "-o" in arguments else ["-o", "out"]
        done = run_cli("predict", str(weights), *arguments, *folder)
        assert {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()} == before
    assert done.code == code
    assert sentence in done.err if code == 2 else done.err == sentence + "\n"
    assert done.out == ""


@pytest.mark.parametrize("suffix", [".npy", ".zarr", ".jpg"])
def test_a_second_run_replaces_its_results(suffix: str, weights: Path, tmp_path: Path, run_cli: RunCli) -> None:
    image = tmp_path / f"image{suffix}"
    WRITERS[suffix](image)
    command = ["predict", str(weights), str(image), "-o", str(tmp_path / "out")]
    written = tmp_path / "out" / f"image{'.png' if suffix == '.jpg' else suffix}"
    assert run_cli(*command, "--keep", "labels").code == 0
    labels = pixels(written)
    if written.is_dir():
        (written / "old").touch()
    assert run_cli(*command, "--keep", "labels", "--tile", "92").code == 0
    assert np.array_equal(pixels(written), labels)
    assert not (written / "old").exists()


def test_seams_are_accepted_with_a_warning(weights: Path, tmp_path: Path, run_cli: RunCli) -> None:
    write_picture(tmp_path / "a.png")
    options = ["--set", "widths=[4, 4, 4]", "--set", "in_channels=1", "--tile", "32", "--seams"]
    done = run_cli("predict", "unet_milesial", str(tmp_path / "a.png"), "-o", str(tmp_path / "out"), *options)
    assert done.code == 0
    start = f"warning: {tmp_path / 'a.png'}: the receptive field exceeds tiles of 34 x 34, so the result differs"
    assert done.err.splitlines()[1].startswith(start)


def test_a_missing_library_names_the_extra(weights: Path, tmp_path: Path) -> None:
    write_tiff(tmp_path / "a.tif")
    code = (
        "import sys; sys.modules['tifffile'] = None; sys.argv = ['unetgen', 'predict', *sys.argv[1:]]\n"
        "from unetgen.cli.main import main; main()"
    )
    command = [sys.executable, "-c", code, str(weights), str(tmp_path / "a.tif"), "-o", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "reading a.tif needs tifffile, which is not installed; run: pip install 'unetgen[images]'\n"


def test_no_array_of_the_image_size_is_allocated(tmp_path: Path) -> None:
    """A large image that is mapped stays on the disk, and so does its result: memory is that of a tile."""
    import tracemalloc

    model = unetgen.build("unet_paper", seed=0, input_size=None, depth=1, widths=[2, 2])
    shape = (1, 1500, 1500)
    np.lib.format.open_memmap(tmp_path / "large.npy", mode="w+", dtype="float32", shape=shape).flush()
    picture = read_image(tmp_path / "large.npy", 2)
    tracemalloc.start()
    with open_output(tmp_path / "out.npy", shape, np.uint8, picture) as out:
        predict(model, normalize_image(picture.array, "unit"), tile=204, keep="labels", out=out)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1500 * 1500  # not even a byte for each pixel
    assert np.load(tmp_path / "out.npy", mmap_mode="r").shape == shape
