"""Every file of odd-images: what goes wrong in loaders, from the tests of Pillow."""

import numpy as np
import pytest
from PIL import Image

from vaelib import data
from vaelib.data.pictures import decode, head

pytestmark = pytest.mark.odd_images

HOPPER = ["hopper.gif", "hopper.Lab.tif", "hopper_orientation_2.webp", "hopper_orientation_6.jpg"]
READ = {  # file ↦ type, shape in colour, smallest and largest number
    "10ct_32bit_128.tiff": ("float32", (128, 128), -3.140937, 3.140684),
    "12in16bit.tif": ("uint16", (100, 100), 0, 30),
    "16bit.MM.cropped.tif": ("uint16", (64, 64), 291, 694),
    "16bit.cropped.tif": ("uint16", (64, 64), 291, 694),
    "g4_orientation_5.tif": ("uint8", (88, 590), 0, 255),
    "hopper.Lab.tif": ("uint8", (3, 128, 128), 0, 255),
    "hopper.gif": ("uint8", (3, 128, 128), 3, 254),
    "hopper.ppm": ("uint8", (3, 128, 128), 0, 255),
    "hopper_bad_exif.jpg": ("uint8", (500, 500), 0, 255),
    "hopper_orientation_2.webp": ("uint8", (3, 128, 128), 0, 255),
    "hopper_orientation_6.jpg": ("uint8", (3, 128, 128), 0, 255),
    "i_trns.png": ("uint16", (64, 64), 0, 65535),
    "mode_grayscale_alpha.png": ("uint8", (64, 128), 0, 255),
    "multipage.tiff": ("uint8", (3, 10, 10), 0, 128),
    "orientation_rectangle.jpg": ("uint8", (3, 2, 1), 0, 254),
    "pil_sample_cmyk.jpg": ("uint8", (3, 100, 100), 1, 255),
    "uncompressed_la.png": ("uint8", (128, 128), 198, 255),
    "xmp_tags_orientation_exiftool.png": ("uint8", (3, 10, 10), 0, 255),
}
REFUSED = {
    "LICENSE": "cannot identify image file",
    "decompression_bomb.gif": "Image size .* could be decompression bomb",
    "shortfile.bmp": "image file is truncated",
    "truncated_image.png": "image file is truncated",
    "truncated_jpeg.jpg": "image file is truncated",
}


@pytest.fixture
def odd(place_of):
    return place_of("odd_images")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", READ)
def test_a_picture_is_read_upright_and_in_its_own_numbers(odd, name):
    kind, shape, low, high = READ[name]
    said = head(odd / name)
    pixels = decode(odd / name, said.colour)
    assert (said.kind, said.size) == (kind, shape[-2:])
    assert (str(pixels.dtype), pixels.shape) == (kind, shape)
    assert (pixels.min(), pixels.max()) == pytest.approx((low, high), rel=1e-5)
    assert decode(odd / name, False).shape == shape[-2:]
    small = decode(odd / name, said.colour, (7, 5))
    assert small.shape == (*shape[:-2], 7, 5)
    if kind != "uint8":  # bytes end at 0 and 255 by themselves
        assert pixels.min() <= small.min() <= small.max() <= pixels.max()


@pytest.mark.parametrize("name", HOPPER)
def test_one_face_is_the_same_in_every_form(odd, name):
    wanted = decode(odd / "hopper.ppm", True).astype(float)
    assert abs(decode(odd / name, True) - wanted).mean() < 8  # upside down: above 60


def test_all_files_are_known_and_orders_of_bytes_and_inks_read_right(odd):
    assert {p.name for p in odd.iterdir()} == {*READ, *REFUSED}
    big, little = (decode(odd / f"16bit.{n}cropped.tif", False) for n in ("MM.", ""))
    assert np.array_equal(big, little)
    red, *others = decode(odd / "pil_sample_cmyk.jpg", True)[:, 0, 0]
    assert red > 200
    assert max(others) < 50


def test_what_is_turned_by_exif_is_as_it_is_looked_at(odd):
    raw = np.asarray(Image.open(odd / "xmp_tags_orientation_exiftool.png").convert("RGBA"))
    seen = decode(odd / "xmp_tags_orientation_exiftool.png", True)
    solid = raw[::-1, ::-1, 3] == 255
    assert np.array_equal(seen.transpose(1, 2, 0)[solid], raw[::-1, ::-1, :3][solid])


def test_what_is_clear_lies_over_white(odd):
    with Image.open(odd / "uncompressed_la.png") as picture:
        grey, alpha = np.asarray(picture).transpose(2, 0, 1) / 255
    over = 255 * (grey * alpha + 1 - alpha)
    assert abs(decode(odd / "uncompressed_la.png", False) - over).max() < 2
    with Image.open(odd / "i_trns.png") as picture:
        clear = np.asarray(picture) == picture.info["transparency"]
    assert clear.any()
    assert (decode(odd / "i_trns.png", False)[clear] == 65535).all()


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_is_no_whole_picture_is_named_with_the_reason(odd, tmp_path, name):
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    (tmp_path / name).symlink_to(odd / name)
    with pytest.raises(ValueError, match=f"{name}: {REFUSED[name]}"):
        data.open(tmp_path, size=(4, 4))
    Image.new("RGB", (4, 4), "white").save(tmp_path / "b.png")
    found = data.open(tmp_path, size=(4, 4), skip_broken=True)
    assert found.files == ("a.png", "b.png")


def test_the_folder_tells_what_was_done_to_whom(odd, tmp_path):
    for path in odd.iterdir():
        if READ.get(path.name, ("",))[0] == "uint8":
            (tmp_path / path.name).symlink_to(path)
    with pytest.raises(ValueError, match=r"88×590 pixels, hopper.Lab.tif has 128×128 .*: --size"):
        data.open(tmp_path)
    found = data.open(tmp_path, size=(8, 8))
    assert found.shape == (3, 8, 8)
    assert found.said == (
        "3 of 13 images can be seen through: laid over white",
        "2 of 13 images have several frames: the first is taken",
    )


def test_deep_pictures_keep_their_levels(odd, tmp_path):
    path = tmp_path / "p"
    path.mkdir()
    for name in ("16bit.MM.cropped.tif", "16bit.cropped.tif"):
        (path / name).symlink_to(odd / name)
    with pytest.raises(ValueError, match="from 291 to 694, of type uint16: --levels 65536, 4096"):
        data.open(path)
    found = data.open(path, levels=1024)
    assert found.seen.high == 694 / 1023
    np.testing.assert_allclose(found.x.max(), 694 / 1023, rtol=1e-6)
    (path / "f.tiff").symlink_to(odd / "10ct_32bit_128.tiff")
    with pytest.raises(ValueError, match=r"uint16, f.tiff has .*float32: .* folders of their own"):
        data.open(path, size=(8, 8))
