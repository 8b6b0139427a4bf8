"""The inputs that a loss is tried with: their shapes, how they grow, and how they are drawn."""

from dataclasses import replace

import pytest
import torch

from vaelib.audit.shapes import BINARY, FIXED, RANGES, Case, Layout, layouts

ROLES = ("x_hat", "x", "mu", "logvar", "z", "scale")
PLAIN = ("x_hat", "x", "mu", "logvar")


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    ("layout", "axes"),
    [
        (Layout((5,)), ("batch", "pixels", "latents")),
        (Layout((2, 3, 5)), ("batch", "channels", "height", "width", "latents")),
        (Layout((2, 3)), ("batch", "axis 0", "axis 1", "latents")),
        (Layout((2, 3, 5), free=False), ("batch", "latents")),
        (Layout((5,), free=False), ("batch", "latents")),
    ],
)
def test_the_axes_of_a_layout_are_those_whose_sizes_are_free(layout, axes):
    assert layout.axes == axes


@pytest.mark.parametrize("axis", ["batch", "channels", "height", "width", "latents"])
def test_a_case_grows_along_one_axis(axis):
    case = Case(Layout((2, 3, 5), flat=True, samples=0), 7, 4, 6, {"x": BINARY})
    sizes = case.sizes()
    grown = case.times(axis, 3)
    assert grown.sizes() == sizes | {axis: 3 * sizes[axis]}
    assert grown.image == tuple(grown.sizes()[a] for a in ("channels", "height", "width"))
    assert (grown.samples, grown.ranges) == (6, {"x": BINARY})
    assert (grown.layout.flat, grown.layout.samples) == (True, 0)
    assert case.sizes() == sizes


def shapes(layout):
    case = Case(layout, batch=7, latents=4, samples=6)
    return {role: case.shape(role) for role in ROLES}


@pytest.mark.parametrize(
    ("how", "differ"),
    [
        ({}, {}),
        ({"flat": True}, {"x_hat": (7, 30), "scale": (7, 30)}),
        ({"single": True}, {"scale": ()}),
        ({"samples": 0}, {"x_hat": (6, 7, 2, 3, 5), "z": (6, 7, 4)}),
        ({"samples": 1}, {"x_hat": (7, 6, 2, 3, 5), "z": (7, 6, 4)}),
        ({"samples": 1, "flat": True},
         {"x_hat": (7, 6, 30), "z": (7, 6, 4), "scale": (7, 30)}),
        ({"samples": 0, "wide": True, "single": True},
         {"x_hat": (6, 7, 2, 3, 5), "x": (6, 7, 2, 3, 5), "mu": (6, 7, 4), "logvar": (6, 7, 4),
          "z": (6, 7, 4), "scale": ()}),
        ({"samples": 1, "wide": True},
         {"x_hat": (7, 6, 2, 3, 5), "x": (7, 6, 2, 3, 5), "mu": (7, 6, 4), "logvar": (7, 6, 4),
          "z": (7, 6, 4), "scale": (7, 6, 2, 3, 5)}),
    ],
)  # fmt: skip
def test_the_shape_of_each_argument_follows_from_the_layout(how, differ):
    images = dict.fromkeys(("x_hat", "x", "scale"), (7, 2, 3, 5))
    codes = dict.fromkeys(("mu", "logvar", "z"), (7, 4))
    assert shapes(Layout((2, 3, 5), **how)) == images | codes | differ


@pytest.mark.parametrize("role", ROLES)
def test_what_is_drawn_fills_its_range_and_no_more(role):
    case = Case(Layout((50,)), batch=40, latents=50)
    low, high = RANGES[role]
    values = torch.stack([case.draw([role], g)[role] for g in [seeded()] for _ in range(5)])
    assert low <= values.min() < low + 0.01
    assert high - 0.01 < values.max() <= high
    other = case.within(**{role: (5.0, 7.0)}).draw([role], seeded())[role]
    assert 5 <= other.min() < 5.1
    assert 6.9 < other.max() <= 7


def test_equal_seeds_draw_equal_values():
    case = Case(Layout((5,)))
    first, again, other = (case.draw(["mu", "z"], seeded(s)) for s in (1, 1, 2))
    assert torch.equal(first["mu"], again["mu"])
    assert not torch.equal(first["mu"], other["mu"])
    assert not torch.equal(first["mu"], first["z"])


def test_what_is_held_is_not_drawn():
    case, held = Case(Layout((5,))), {"mu": torch.ones(1), "scale": torch.zeros(1)}
    drawn = case.draw(["mu", "x"], seeded(), held)
    assert [*drawn] == ["mu", "x"]
    assert drawn["mu"] is held["mu"]
    assert torch.equal(drawn["x"], case.draw(["x"], seeded())["x"])


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("role", ROLES)
def test_samples_of_one_image_differ_in_z_and_in_what_is_decoded_from_it_alone(role, axis):
    case = Case(Layout((5,), samples=axis, wide=True), samples=6)
    one, *more = case.draw([role], seeded())[role].unbind(axis)
    assert all(torch.equal(one, other) for other in more) is (role in ("x", "mu", "logvar"))
    assert one.unique().numel() == one.numel()


def test_what_is_drawn_can_be_changed_in_place():
    drawn = Case(Layout((5,), samples=0, wide=True), samples=2).draw(["mu"], seeded())["mu"]
    drawn[0] = 9
    assert drawn[1].max() <= 2


def test_filled_inputs_are_all_alike_in_each_argument():
    case = Case(Layout((5,), single=True))
    filled, drawn = case.fill(ROLES, seeded(1)), case.draw(ROLES, seeded(1))
    assert [*filled] == [*ROLES]
    for role, values in filled.items():
        assert torch.equal(values, torch.full(case.shape(role), drawn[role].flatten()[0].item(),
                                              dtype=torch.float64))  # fmt: skip
    values = filled["mu"]
    values[0] = 9
    assert values[1].max() <= 2


def test_what_is_held_is_not_filled():
    case, held = Case(Layout((5,))), {"mu": torch.arange(4.0)}
    filled = case.fill(["mu", "x"], seeded(), held)
    assert filled["mu"] is held["mu"]
    assert filled["x"].unique().numel() == 1


FREE = [Layout((5,)), Layout((2, 3, 5))]
STIFF = [Layout(image, False) for image in FIXED]
FLAT = [Layout((2, 3, 5), flat=True)]
FLAT += [Layout(image, False, flat=True) for image in FIXED if len(image) == 3]


def with_samples(plain):
    return [
        replace(each, samples=axis, wide=wide)
        for axis, wide in ((0, False), (0, True), (1, False), (1, True)) for each in plain
    ]  # fmt: skip


def single(plain):
    return [replace(each, single=True) for each in plain]


def test_layouts_begin_with_the_simplest():
    assert [*layouts(PLAIN, None)] == [*FREE, *STIFF, *FLAT]


def test_several_samples_are_tried_where_the_loss_takes_z():
    found = [*layouts((*PLAIN, "z"), None)]
    assert found == [*FREE, *STIFF, *with_samples(FREE + STIFF), *FLAT]


def test_a_scale_that_is_one_number_is_tried_last():
    found, several = [*layouts((*PLAIN, "scale"), None)], [*FREE, *STIFF, *FLAT]
    assert found == several + single(several)
    both = [*layouts(ROLES, None)]
    several = [*FREE, *STIFF, *with_samples(FREE + STIFF), *FLAT]
    assert both == several + single(several)


def test_images_of_the_size_told_come_before_those_of_other_fixed_sizes():
    told = Layout((9,), False)
    assert [*layouts(PLAIN, (9,))] == [*FREE, told, *STIFF, *FLAT]


def test_images_of_three_axes_come_first_where_the_size_told_has_three():
    told = Layout((3, 8, 8), False)
    assert [*layouts(PLAIN, (3, 8, 8))] == [
        *FREE[::-1], told, *STIFF,
        FLAT[0], Layout((3, 8, 8), False, flat=True), *FLAT[1:],
    ]  # fmt: skip


def test_images_of_two_axes_are_tried_as_rows_too():
    told = Layout((8, 8), False)
    assert [*layouts(PLAIN, (8, 8))] == [
        *FREE, told, *STIFF,
        FLAT[0], replace(told, flat=True), *FLAT[1:],
    ]  # fmt: skip
