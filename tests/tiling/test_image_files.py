"""Test reading images of each format, normalization, and writing results."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

from support.image_files import BYTES, NUMBERS, WRITERS, pixels
from unetgen.errors import ImageError
from unetgen.tiling.files.formats import FORMATS, open_output, output_path, read_image
from unetgen.tiling.files.image_file import ImageFile
from unetgen.tiling.files.normalization import normalize_image


def test_every_format_has_its_writer_here() -> None:
    assert list(WRITERS) == list(FORMATS)


def test_colour_and_palette_images_have_three_channels(tmp_path: Path) -> None:
    colours = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    Image.fromarray(colours).save(tmp_path / "colour.png")
    Image.fromarray(colours).quantize(16).save(tmp_path / "palette.png")
    assert read_image(tmp_path / "colour.png", 2).array.shape == (3, 20, 30)
    assert np.array_equal(
        read_image(tmp_path / "colour.png", 2).array[:, 2:5, 3:7], np.moveaxis(colours, -1, 0)[:, 2:5, 3:7]
    )
    assert read_image(tmp_path / "palette.png", 2).array.shape == (3, 20, 30)


@pytest.mark.parametrize(("axes", "shape"), [("CYX", (3, 20, 30)), ("YXS", (20, 30, 3))])
def test_tiff_axis_names_select_the_channel_axis(axes: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    data = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    photometric = "rgb" if axes == "YXS" else "minisblack"
    tifffile.imwrite(tmp_path / "image.tif", data, photometric=photometric, metadata={"axes": axes})
    array = read_image(tmp_path / "image.tif", 2).array
    assert array.shape == (3, 20, 30)
    assert np.array_equal(array[:, 4:9, 1:30], np.moveaxis(data, max(axes.find("C"), axes.find("S")), 0)[:, 4:9, 1:30])


def test_a_compressed_tiff_is_read_as_an_uncompressed_one(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "small.tif", BYTES, compression="zlib")
    tifffile.imwrite(tmp_path / "large.tif", BYTES)
    small, large = (read_image(tmp_path / name, 2).array for name in ("small.tif", "large.tif"))
    assert np.array_equal(small[:, :, 3:40], large[:, :, 3:40])


@pytest.mark.parametrize("channels", [1, 3])
def test_zscore_is_taken_over_the_whole_image(channels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from unetgen.tiling.files import normalization

    monkeypatch.setattr(normalization, "_MAX_BLOCK_ELEMENTS", 500)  # so that there are many slabs
    image = np.random.default_rng(0).normal(5, 3, size=(channels, 40, 30)) * np.arange(1, channels + 1)[:, None, None]
    normalized = normalize_image(image, "zscore")[:, 0:40, 0:30]
    assert np.allclose(normalized.mean((1, 2)), 0, atol=1e-5)
    assert np.allclose(normalized.std((1, 2)), 1, atol=1e-5)


def test_unit_normalization_scales_integers_only() -> None:
    image = np.array([[[0, 65535]]], np.uint16)
    assert list(normalize_image(image, "unit")[:, 0:1, 0:2].ravel()) == [0, 1]
    assert list(normalize_image(image, "none")[:, 0:1, 0:2].ravel()) == [0, 65535]
    assert normalize_image(image / 2, "unit")[0, 0, 1] == 65535 / 2


def test_a_constant_image_has_no_deviation_to_divide_by() -> None:
    assert not normalize_image(np.full((1, 8, 8), 3.0), "zscore")[:, 0:8, 0:8].any()


def test_directory_created_during_prediction_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "v.tif"

    def create_directory_while_writing() -> None:
        with open_output(path, (1, 20, 30), np.uint8, ImageFile(tmp_path / "v.tif", NUMBERS[None])) as out:
            out[:] = 1
            path.mkdir()

    with pytest.raises(ImageError) as error:
        create_directory_while_writing()
    assert str(error.value) == f"{path}: is a directory and is not overwritten; move it, or choose another --out"
    assert list(tmp_path.iterdir()) == [path]


def test_result_of_an_array_in_a_group_is_named_after_both(tmp_path: Path) -> None:
    group = zarr.open_group(tmp_path / "scan.zarr", mode="w")
    group.create_array("0", data=NUMBERS)
    image_file = read_image(tmp_path / "scan.zarr" / "0", 2)
    assert image_file.array.shape == (1, 150, 130)
    assert output_path(tmp_path / "out", image_file, labels=True) == tmp_path / "out" / "scan.0.zarr"


@pytest.mark.parametrize("suffix", [".npy", ".zarr", ".tif", ".nii", ".png"])
def test_interrupted_write_keeps_the_old_file(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"mask{suffix}"
    WRITERS[suffix](path)
    before = pixels(path)

    def write_half() -> None:
        with open_output(path, (1, 150, 130), np.uint8, ImageFile(path, before[None])) as out:
            out[:, :20] = 1
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert np.array_equal(pixels(path), before)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
