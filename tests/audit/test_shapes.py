"""The inputs that a loss is tried with: their shapes, how they grow, and how they are drawn."""

from math import prod

import pytest
import torch

from tests.cases import cases
from vaelib.audit.shapes import BINARY, CLASSES, LEVELS, RANGES, Case, Layout

ROLES = ("x_hat", "x", "mu", "logvar", "z", "scale")
CONV = Layout((5,), code=(4, 2, 3))
FRAMES = Layout((7, 5), code=(7, 4), shared=True)

WIDE = ("x", "scale", "mu", "logvar")


@cases(
    (Layout((5,)), ("batch", "pixels", "latents")),
    (Layout((2, 3, 5)), ("batch", "channels", "height", "width", "latents")),
    (Layout((2, 3)), ("batch", "height", "width", "latents")),
    (Layout((5,), free=False), ("batch", "latents")),
    (Layout((5,), code=(16,), free_code=False), ("batch", "pixels")),
    (CONV, ("batch", "pixels", "latents", "latent height", "latent width")),
    (Layout((5,), code=(7, 4)), ("batch", "pixels", "positions", "latents")),
    (FRAMES, ("batch", "positions", "pixels", "latents")),
)
def test_the_axes_of_a_layout_are_those_whose_sizes_are_free(layout, axes):
    assert layout.axes == axes


@pytest.mark.parametrize("axis", ["batch", "channels", "height", "width", "latents"])
def test_a_case_grows_along_one_axis(axis):
    case = Case(Layout((2, 3, 5), flat=True, samples=0), 7, 6, {"x": BINARY})
    sizes = case.sizes()
    grown = case.times(axis, 3)
    assert grown.sizes() == sizes | {axis: 3 * sizes[axis]}
    assert grown.layout.image == tuple(grown.sizes()[a] for a in ("channels", "height", "width"))
    assert (grown.samples, grown.ranges) == (6, {"x": BINARY})
    assert (grown.layout.flat, grown.layout.samples) == (True, 0)
    assert case.sizes() == sizes


def shapes(layout):
    case = Case(layout, batch=7, samples=6)
    return {role: case.shape(role) for role in ROLES}


@cases(
        ({}, {}),
        ({"flat": True}, {"x_hat": (7, 30), "scale": (7, 30)}),
        ({"single": True}, {"scale": ()}),
        ({"samples": 0}, {"x_hat": (6, 7, 2, 3, 5), "z": (6, 7, 4)}),
        ({"samples": 1, "flat": True},
         {"x_hat": (7, 6, 30), "z": (7, 6, 4), "scale": (7, 30)}),
        ({"samples": 0, "wide": WIDE, "single": True},
         {"x_hat": (6, 7, 2, 3, 5), "x": (6, 7, 2, 3, 5), "mu": (6, 7, 4), "logvar": (6, 7, 4),
          "z": (6, 7, 4), "scale": ()}),
        ({"samples": 1, "wide": WIDE},
         {"x_hat": (7, 6, 2, 3, 5), "x": (7, 6, 2, 3, 5), "mu": (7, 6, 4), "logvar": (7, 6, 4),
          "z": (7, 6, 4), "scale": (7, 6, 2, 3, 5)}),
)  # fmt: skip
def test_the_shape_of_each_argument_follows_from_the_layout(how, differ):
    images = dict.fromkeys(("x_hat", "x", "scale"), (7, 2, 3, 5))
    codes = dict.fromkeys(("mu", "logvar", "z"), (7, 4))
    assert shapes(Layout((2, 3, 5), **how)) == images | codes | differ


@pytest.mark.parametrize("role", ROLES)
def test_what_is_drawn_fills_its_range_and_no_more(role):
    case = Case(Layout((50,), code=(50,)), batch=40)
    low, high = RANGES[role]
    values = torch.stack([case.draw([role], g)[role] for g in range(5)])
    assert low <= values.min() < low + 0.01
    assert high - 0.01 < values.max() <= high
    other = case.within(**{role: (5.0, 7.0)}).draw([role])[role]
    assert 5 <= other.min() < 5.1
    assert 6.9 < other.max() <= 7


def test_equal_seeds_draw_equal_values():
    case = Case(Layout((5,)))
    first, again, other = (case.draw(["mu", "z"], s) for s in (1, 1, 2))
    assert torch.equal(first["mu"], again["mu"])
    assert not torch.equal(first["mu"], other["mu"])
    assert not torch.equal(first["mu"], first["z"])


def test_what_is_held_is_not_drawn():
    case, held = Case(Layout((5,))), {"mu": torch.ones(1), "scale": torch.zeros(1)}
    drawn = case.draw(["mu", "x"], held=held)
    assert [*drawn] == ["mu", "x"]
    assert drawn["mu"] is held["mu"]
    assert torch.equal(drawn["x"], case.draw(["x"])["x"])


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("role", ROLES)
def test_samples_of_one_image_differ_in_z_and_in_what_is_decoded_from_it_alone(role, axis):
    case = Case(Layout((5,), samples=axis, wide=WIDE), samples=6)
    one, *more = case.draw([role])[role].unbind(axis)
    assert all(torch.equal(one, other) for other in more) is (role in ("x", "mu", "logvar"))
    assert one.unique().numel() == one.numel()
    one[:] = 9  # each may be changed in place
    assert all(other.max() <= 2 for other in more)


@cases(
    (CONV, "latents", (3, 5), (3, 8, 2, 3)),
    (CONV, "latent height", (3, 5), (3, 4, 4, 3)),
    (CONV, "batch", (6, 5), (6, 4, 2, 3)),
    (FRAMES, "positions", (3, 14, 5), (3, 14, 4)),
    (FRAMES, "latents", (3, 7, 5), (3, 7, 8)),
    (FRAMES, "pixels", (3, 7, 10), (3, 7, 4)),
    (Layout((5,), code=(16,), free_code=False), "latents", (3, 5), (3, 16)),
)
def test_codes_have_axes_that_grow_each_by_itself(layout, axis, x, mu):
    grown = Case(layout).times(axis, 2)
    assert grown.shape("x") == x
    assert all(grown.shape(role) == mu for role in ("mu", "logvar", "z", "prior_mu"))
    assert prod(grown.layout.code) == torch.zeros(mu[1:]).numel()
    assert grown.sizes() == Case(layout).sizes() | (
        {axis: 2 * Case(layout).sizes()[axis]} if axis in layout.axes else {}
    )


@pytest.mark.parametrize(("behind", "shape"), [(False, (3, 11, 7)), (True, (3, 7, 11))])
def test_classes_are_an_axis_of_x_hat_and_whole_numbers_of_x(behind, shape):
    case = Case(Layout((7,), classes=11, behind=behind), batch=3, ranges={"x": CLASSES})
    drawn = case.draw(["x_hat", "x"])
    assert drawn["x_hat"].shape == shape
    assert (drawn["x"].shape, drawn["x"].dtype) == ((3, 7), torch.int64)
    many = case.times("batch", 100).draw(["x"])["x"]
    assert many.unique().tolist() == [*range(11)]


def test_levels_are_those_that_a_loss_makes_of_them():
    x = Case(Layout((500,)), ranges={"x": LEVELS}).draw(["x"])["x"]
    assert torch.equal((255 * x).long(), (255 * x).round().long())
    assert 0 <= x.min() < x.max() < 1 + 1e-9
    assert x.unique().numel() > 200
