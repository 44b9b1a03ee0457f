"""Images in files: what is read of each kind, how intensities are scaled, and how results take their place."""

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


def test_colour_is_three_channels_and_a_palette_speaks_out(tmp_path: Path) -> None:
    colours = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    Image.fromarray(colours).save(tmp_path / "colour.png")
    Image.fromarray(colours).quantize(16).save(tmp_path / "palette.png")
    assert read_image(tmp_path / "colour.png", 2).array.shape == (3, 20, 30)
    assert np.array_equal(
        read_image(tmp_path / "colour.png", 2).array[:, 2:5, 3:7], np.moveaxis(colours, -1, 0)[:, 2:5, 3:7]
    )
    assert read_image(tmp_path / "palette.png", 2).array.shape == (3, 20, 30)


@pytest.mark.parametrize(("axes", "shape"), [("CYX", (3, 20, 30)), ("YXS", (20, 30, 3))])
def test_tiffs_say_where_their_channels_are(axes: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    data = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    kind = "rgb" if axes == "YXS" else "minisblack"
    tifffile.imwrite(tmp_path / "image.tif", data, photometric=kind, metadata={"axes": axes})
    found = read_image(tmp_path / "image.tif", 2).array
    assert found.shape == (3, 20, 30)
    assert np.array_equal(found[:, 4:9, 1:30], np.moveaxis(data, max(axes.find("C"), axes.find("S")), 0)[:, 4:9, 1:30])


def test_a_compressed_tiff_is_read_as_an_uncompressed_one(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "small.tif", BYTES, compression="zlib")
    tifffile.imwrite(tmp_path / "large.tif", BYTES)
    small, large = (read_image(tmp_path / name, 2).array for name in ("small.tif", "large.tif"))
    assert np.array_equal(small[:, :, 3:40], large[:, :, 3:40])


@pytest.mark.parametrize("channels", [1, 3])
def test_zscore_is_taken_over_the_whole_image(channels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from unetgen.tiling.files import normalization as intensity

    monkeypatch.setattr(intensity, "_AT_ONCE", 500)  # so that there are many slabs
    image = np.random.default_rng(0).normal(5, 3, size=(channels, 40, 30)) * np.arange(1, channels + 1)[:, None, None]
    found = normalize_image(image, "zscore")[:, 0:40, 0:30]
    assert np.allclose(found.mean((1, 2)), 0, atol=1e-5)
    assert np.allclose(found.std((1, 2)), 1, atol=1e-5)


def test_integers_become_units_unless_they_are_left_alone() -> None:
    image = np.array([[[0, 65535]]], np.uint16)
    assert list(normalize_image(image, "unit")[:, 0:1, 0:2].ravel()) == [0, 1]
    assert list(normalize_image(image, "none")[:, 0:1, 0:2].ravel()) == [0, 65535]
    assert normalize_image(image / 2, "unit")[0, 0, 1] == 65535 / 2


def test_a_constant_image_has_no_deviation_to_divide_by() -> None:
    assert not normalize_image(np.full((1, 8, 8), 3.0), "zscore")[:, 0:8, 0:8].any()


def test_a_folder_that_comes_while_tiles_are_run_is_left(tmp_path: Path) -> None:
    place = tmp_path / "v.tif"

    def filled() -> None:
        with open_output(place, (1, 20, 30), np.uint8, ImageFile(tmp_path / "v.tif", NUMBERS[None])) as out:
            out[:] = 1
            place.mkdir()

    with pytest.raises(ImageError) as error:
        filled()
    assert str(error.value) == f"{place}: is a folder, which no result replaces; move it away or choose another place"
    assert list(tmp_path.iterdir()) == [place]


def test_an_array_in_a_group_is_called_by_both_names(tmp_path: Path) -> None:
    group = zarr.open_group(tmp_path / "scan.zarr", mode="w")
    group.create_array("0", data=NUMBERS)
    picture = read_image(tmp_path / "scan.zarr" / "0", 2)
    assert picture.array.shape == (1, 150, 130)
    assert output_path(tmp_path / "out", picture, labels=True) == tmp_path / "out" / "scan.0.zarr"


@pytest.mark.parametrize("suffix", [".npy", ".zarr", ".tif", ".nii", ".png"])
def test_what_fails_half_way_leaves_the_old_file(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"mask{suffix}"
    WRITERS[suffix](path)
    before = pixels(path)

    def stopped() -> None:
        with open_output(path, (1, 150, 130), np.uint8, ImageFile(path, before[None])) as out:
            out[:, :20] = 1
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert np.array_equal(pixels(path), before)
    assert [found.name for found in tmp_path.iterdir()] == [path.name]
