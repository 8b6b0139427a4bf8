"""Images side by side in one picture, of any shape and in colour."""

import numpy as np
import pytest
import torch
from PIL import Image

from tests.cases import cases
from vaelib.commands.written import Rows, tiles, write


@cases(
    (64, 8, 8),
    (1, 1, 1),
    (2, 1, 2),
    (12, 3, 4),
    (13, 4, 4),
)
@pytest.mark.parametrize("shape", [(2, 5), (1, 2, 5), (3, 2, 5), (4, 2, 5)])
def test_all_images_are_there_in_rows_from_the_top(tmp_path, shape, count, rows, columns):
    x = torch.randint(256, (count, int(np.prod(shape)))).float() / 255
    write(tmp_path / "x.png", Rows(x.split(10), (count, *shape)))
    shown = Image.open(tmp_path / "x.png")
    zoom = 640 // (6 * columns - 1)
    assert shown.mode == ("RGB" if shape[0] == 3 else "L")
    assert shown.size == (zoom * (6 * columns - 1), zoom * (3 * rows - 1))
    seen = np.asarray(shown)[::zoom, ::zoom] / 255
    seen = seen.reshape(*seen.shape[:2], -1).transpose(2, 0, 1)
    for n, image in enumerate(x.reshape(count, -1, 2, 5).numpy()):
        top, left = 3 * (n // columns), 6 * (n % columns)
        part = seen[:, top : top + 2, left : left + 5]
        expected = image if len(image) == 3 else image.mean(0, keepdims=True)
        assert np.abs(part - expected).max() <= 0.5 / 255 + 1e-6


def test_what_lies_beyond_black_and_white_is_cut():
    x = torch.tensor([[-3.0, 0.0, 1.0, 7.0]])
    assert tiles(x, (2, 2), 1).tolist() == [[0, 0], [255, 255]]


def test_a_row_can_be_as_long_as_one_likes():
    assert tiles(torch.zeros(3, 12), (3, 2, 2), 3).shape == (2, 8, 3)
    assert (tiles(torch.zeros(3, 4), (2, 2), 3)[:, [2, 5]] == 255).all()  # white between
