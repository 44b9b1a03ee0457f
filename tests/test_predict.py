"""unetgen predict: images in files of every kind, tile by tile, and everything that is wrong with them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import tifffile
import zarr
from conftest import Outcome
from PIL import Image

import unetgen
from unetgen.tiling import predict
from unetgen.tiling.files.formats import FORMATS, created, read, target
from unetgen.tiling.files.intensity import normalized
from unetgen.tiling.files.picture import Picture

pytestmark = pytest.mark.usefixtures("one_thread")

BYTES = np.random.default_rng(0).integers(0, 256, (150, 130), dtype=np.uint8)
NUMBERS = np.random.default_rng(1).normal(size=(150, 130)).astype("float32")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network whose answers differ from pixel to pixel."""
    path = tmp_path_factory.mktemp("weights") / "net.safetensors"
    model = unetgen.build("unet_paper", seed=0, input_size=None, depth=2, widths=[4, 4, 4])
    answers = predict(model, NUMBERS[None], tile=92)
    list(model.parameters())[-1].data[0] += float(np.median(answers[1] - answers[0]))  # the head's bias
    unetgen.save(model, path)
    return path


def write_npy(path: Path) -> None:
    np.save(path, NUMBERS)


def write_zarr(path: Path) -> None:
    zarr.create_array(path, data=NUMBERS[None], chunks=(1, 64, 64))


def write_tiff(path: Path) -> None:
    tifffile.imwrite(path, BYTES.astype(np.uint16) * 257)


def write_nifti(path: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(NUMBERS, np.diag([2.0, 3.0, 4.0, 1.0])), path)


def write_picture(path: Path) -> None:
    Image.fromarray(BYTES).save(path)


WRITERS: dict[str, Callable[[Path], None]] = {
    ".npy": write_npy,
    ".zarr": write_zarr,
    ".tif": write_tiff,
    ".tiff": write_tiff,
    ".nii": write_nifti,
    ".nii.gz": write_nifti,
    ".png": write_picture,
    ".jpg": write_picture,
    ".jpeg": write_picture,
    ".bmp": write_picture,
}


def pixels(path: Path) -> np.ndarray:
    """What a file holds, read by its own library."""
    if path.suffix == ".npy":
        return np.load(path)
    if path.suffix == ".zarr":
        return zarr.open_array(path, mode="r")[:]
    if path.suffix in (".tif", ".tiff"):
        return tifffile.imread(path)
    if path.suffix in (".nii", ".gz"):
        volume = nibabel.load(path)
        assert np.array_equal(volume.affine.diagonal(), [2, 3, 4, 1])
        return np.asarray(volume.dataobj)
    return np.asarray(Image.open(path))


def test_every_format_has_its_writer_here() -> None:
    assert list(WRITERS) == list(FORMATS)


@pytest.mark.parametrize("keep", ["labels", "probabilities"])
@pytest.mark.parametrize("suffix", FORMATS)
def test_a_file_gives_what_its_array_gives(
    suffix: str, keep: Any, weights: Path, tmp_path: Path, run: Callable[..., Outcome]
) -> None:
    image = tmp_path / f"image{suffix}"
    WRITERS[suffix](image)
    done = run("predict", str(weights), str(image), "-o", str(tmp_path / "out"), "--tile", "92", "--keep", keep)
    assert (done.code, done.err) == (0, "")
    bytewise = suffix in (".png", ".jpg", ".jpeg", ".bmp")
    written = tmp_path / "out" / f"image{(('.png' if keep == 'labels' else '.tif') if bytewise else suffix)}"
    channels = 1 if keep == "labels" else 2
    assert done.out == f"{written}: {keep}, {channels} x 150 x 130, from 9 tiles\n"

    stored = pixels(image).astype("float32").reshape(1, 150, 130)
    scale = {np.dtype("u1"): 255, np.dtype("u2"): 65535}.get(pixels(image).dtype, 1)
    model = unetgen.load(weights)
    wanted = predict(model, stored / np.float32(scale), tile=92, keep=keep)
    found = pixels(written)
    if suffix in (".nii", ".nii.gz") and keep != "labels":
        found = np.moveaxis(found, -1, 0)
    if keep == "labels":
        assert found.dtype == np.uint8
        assert 0 < found.sum() < found.size
        assert np.array_equal(found.reshape(wanted.shape), wanted)
    else:
        assert np.allclose(found, wanted, atol=1e-6)
    assert [path.name for path in (tmp_path / "out").iterdir()] == [written.name]  # and nothing half done


def test_colour_is_three_channels_and_a_palette_speaks_out(tmp_path: Path) -> None:
    colours = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    Image.fromarray(colours).save(tmp_path / "colour.png")
    Image.fromarray(colours).quantize(16).save(tmp_path / "palette.png")
    assert read(tmp_path / "colour.png", 2).array.shape == (3, 20, 30)
    assert np.array_equal(read(tmp_path / "colour.png", 2).array[:, 2:5, 3:7], np.moveaxis(colours, -1, 0)[:, 2:5, 3:7])
    assert read(tmp_path / "palette.png", 2).array.shape == (3, 20, 30)


@pytest.mark.parametrize(("axes", "shape"), [("CYX", (3, 20, 30)), ("YXS", (20, 30, 3))])
def test_tiffs_say_where_their_channels_are(axes: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    data = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    kind = "rgb" if axes == "YXS" else "minisblack"
    tifffile.imwrite(tmp_path / "image.tif", data, photometric=kind, metadata={"axes": axes})
    found = read(tmp_path / "image.tif", 2).array
    assert found.shape == (3, 20, 30)
    assert np.array_equal(found[:, 4:9, 1:30], np.moveaxis(data, max(axes.find("C"), axes.find("S")), 0)[:, 4:9, 1:30])


def test_a_compressed_tiff_is_read_as_an_uncompressed_one(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "small.tif", BYTES, compression="zlib")
    tifffile.imwrite(tmp_path / "large.tif", BYTES)
    small, large = (read(tmp_path / name, 2).array for name in ("small.tif", "large.tif"))
    assert np.array_equal(small[:, :, 3:40], large[:, :, 3:40])


def test_volumes_keep_their_place_in_space(weights: Path, tmp_path: Path, run: Callable[..., Outcome]) -> None:
    volume = np.random.default_rng(0).normal(size=(12, 20, 24)).astype("float32")
    affine = np.array([[0, 2, 0, 5], [1.5, 0, 0, -7], [0, 0, 3, 9], [0, 0, 0, 1.0]])
    nibabel.save(nibabel.Nifti1Image(volume, affine), tmp_path / "v.nii.gz")
    arguments = ["--set", "widths=[4, 4]", "--set", "in_channels=1", "--set", "block.padding=zeros", "--tile", "24"]
    done = run("predict", "unet_3d", str(tmp_path / "v.nii.gz"), "-o", str(tmp_path / "out"), *arguments)
    assert done.code == 0
    assert done.err == "note: unet_3d: a spec has no trained weights; these are the first ones, of seed 0\n"
    found = nibabel.load(tmp_path / "out" / "v.nii.gz")
    assert found.shape == volume.shape
    assert np.array_equal(found.affine, affine)


@pytest.mark.parametrize("channels", [1, 3])
def test_zscore_is_taken_over_the_whole_image(channels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from unetgen.tiling.files import intensity

    monkeypatch.setattr(intensity, "_AT_ONCE", 500)  # so that there are many slabs
    image = np.random.default_rng(0).normal(5, 3, size=(channels, 40, 30)) * np.arange(1, channels + 1)[:, None, None]
    found = normalized(image, "zscore")[:, 0:40, 0:30]
    assert np.allclose(found.mean((1, 2)), 0, atol=1e-5)
    assert np.allclose(found.std((1, 2)), 1, atol=1e-5)


def test_integers_become_units_unless_they_are_left_alone() -> None:
    image = np.array([[[0, 65535]]], np.uint16)
    assert list(normalized(image, "unit")[:, 0:1, 0:2].ravel()) == [0, 1]
    assert list(normalized(image, "none")[:, 0:1, 0:2].ravel()) == [0, 65535]
    assert normalized(image / 2, "unit")[0, 0, 1] == 65535 / 2


def test_a_constant_image_has_no_deviation_to_divide_by() -> None:
    assert not normalized(np.full((1, 8, 8), 3.0), "zscore")[:, 0:8, 0:8].any()


REFUSED = {
    "no suffix": (["x.txt"], 1, "x.txt: no format has this suffix; those that are read are .npy, .zarr, .tif, .tiff, .nii, .nii.gz, .png, .jpg, .jpeg, .bmp"),
    "no file": (["none.png"], 1, "none.png: there is no such file; check the path"),
    "no image": (["bad.png"], 1, "bad.png: cannot be read: UnidentifiedImageError: cannot identify image file 'bad.png'; write it anew, or in another format"),
    "colour": (["colour.png"], 1, "colour.png: image: the image has shape (3, 150, 130), this network takes (1, size, size); check in_channels"),
    "axes": (["four.npy"], 1, "four.npy: has 4 axes (2 x 3 x 4 x 5), this network takes 2, or 3 with channels; cut the image or take a network of other dims"),
    "group": (["group.zarr"], 1, "group.zarr: is a group, not an array; name one of its arrays: group.zarr/0"),
    "over itself": (["grey.png", "-o", "."], 1, "grey.png: its result would be written over grey.png, an image; choose another folder"),
    "twice": (["grey.png", "grey.jpg"], 1, "grey.jpg: its result would be out/grey.png, as that of grey.png; run them apart"),
    "tile": (["grey.png", "--tile", "21"], 1, "grey.png: tile: 21 on axis H gives 17 at level 0, which max_pool cannot halve; the smallest that fits is 44 (output 4)\ngrey.png: tile: 21 on axis W gives 17 at level 0, which max_pool cannot halve; the smallest that fits is 44 (output 4)"),
    "tile axes": (["grey.png", "--tile", "92x92x92"], 1, "grey.png: tile: the tile has 3 numbers, the network has 2 axes; give one number for all axes"),
    "device": (["grey.png", "--device", "nowhere"], 2, "nowhere"),
    "set": (["grey.png", "--set", "depth=2"], 2, "Error: --set is for specs; a weights file brings its own, which cannot be changed"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_run_is_told(name: str, weights: Path, tmp_path: Path, run: Callable[..., Outcome]) -> None:
    from contextlib import chdir

    given, code, sentence = REFUSED[name]
    with chdir(tmp_path):
        Path("bad.png").write_bytes(b"nothing")
        write_picture(Path("grey.png"))
        write_picture(Path("grey.jpg"))
        Image.fromarray(np.stack([BYTES] * 3, -1)).save("colour.png")
        np.save("four.npy", np.zeros((2, 3, 4, 5)))
        zarr.open_group("group.zarr", mode="w").create_array("0", data=NUMBERS)
        folder = [] if "-o" in given else ["-o", "out"]
        done = run("predict", str(weights), *given, *folder)
    assert done.code == code
    assert sentence in done.err if code == 2 else done.err == sentence + "\n"
    assert done.out == ""


def test_seams_are_accepted_and_told(weights: Path, tmp_path: Path, run: Callable[..., Outcome]) -> None:
    write_picture(tmp_path / "a.png")
    said = ["--set", "widths=[4, 4, 4]", "--set", "in_channels=1", "--tile", "32", "--seams"]
    done = run("predict", "unet_milesial", str(tmp_path / "a.png"), "-o", str(tmp_path / "out"), *said)
    assert done.code == 0
    start = f"warning: {tmp_path / 'a.png'}: pixels see beyond tiles of 32 x 32, so the result is not that of the whole image"
    assert done.err.splitlines()[1].startswith(start)


def test_an_array_in_a_group_is_called_by_both_names(tmp_path: Path) -> None:
    group = zarr.open_group(tmp_path / "scan.zarr", mode="w")
    group.create_array("0", data=NUMBERS)
    picture = read(tmp_path / "scan.zarr" / "0", 2)
    assert picture.array.shape == (1, 150, 130)
    assert target(tmp_path / "out", picture, labels=True) == tmp_path / "out" / "scan.0.zarr"


@pytest.mark.parametrize("suffix", [".npy", ".zarr", ".tif", ".nii", ".png"])
def test_what_fails_half_way_leaves_the_old_file(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"mask{suffix}"
    WRITERS[suffix](path)
    before = pixels(path)

    def stopped() -> None:
        with created(path, (1, 150, 130), np.uint8, Picture(path, before[None])) as out:
            out[:, :20] = 1
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert np.array_equal(pixels(path), before)
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


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


def test_no_array_of_the_images_size_is_made(tmp_path: Path) -> None:
    """A large image that is mapped stays on the disk, and so does its result: memory is that of a tile."""
    import tracemalloc

    model = unetgen.build("unet_paper", seed=0, input_size=None, depth=1, widths=[2, 2])
    shape = (1, 1500, 1500)
    np.lib.format.open_memmap(tmp_path / "large.npy", mode="w+", dtype="float32", shape=shape).flush()
    picture = read(tmp_path / "large.npy", 2)
    tracemalloc.start()
    with created(tmp_path / "out.npy", shape, np.uint8, picture) as out:
        predict(model, normalized(picture.array, "unit"), tile=204, keep="labels", out=out)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1500 * 1500  # not even a byte for each pixel
    assert np.load(tmp_path / "out.npy", mmap_mode="r").shape == shape
