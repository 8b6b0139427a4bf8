"""Pictures show their data: what is drawn where, named how."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib import rcParams

from tests.cases import cases
from vaelib import plots
from vaelib.objectives import Terms
from vaelib.training import History

plt.switch_backend("Agg")
X = torch.linspace(1, 3, 5)


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def names(ax):
    return [text.get_text() for text in ax.texts]


def test_lines_carry_their_data_and_their_names_at_their_ends():
    ax = plots.lines(X, {"low": X, "high": X.requires_grad_() ** 2}, "x", "nats")
    low, high = ax.get_lines()
    np.testing.assert_allclose(high.get_xydata(), torch.stack([X, X**2], 1).detach())
    assert (low.get_linestyle(), high.get_linestyle()) == ("-", "--")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x", "nats")
    assert names(ax) == ["low", "high"]
    for text, line in zip(ax.texts, (low, high), strict=True):
        assert text.get_color() == line.get_color()
        assert (text.xycoords, text.get_va()) == ("axes fraction", "center")
        assert text.get_fontsize() == 9
        end = ax.transAxes.inverted().transform(ax.transData.transform(line.get_xydata()[-1]))[1]
        assert text.xy == pytest.approx((1.01, end), abs=0.01)


def test_names_of_lines_that_end_together_are_moved_apart():
    ax = plots.lines(X, {"c": X + 0.02, "a": X, "b": X + 0.01}, "x", "y")
    heights = [text.xy[1] for text in ax.texts]
    assert names(ax) == ["a", "b", "c"]
    assert np.diff(heights) == pytest.approx([0.09, 0.09])


def test_one_line_needs_no_name_and_scales_are_those_asked_for():
    ax = plots.lines(X, {"only": X}, "x", "y", logx=True)
    assert names(ax) == []
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "linear")
    ax = plots.lines(X, {"a": X, "b": X}, "x", "y", logy=True, legend=True, ax=plt.subplots()[1])
    assert (ax.get_xscale(), ax.get_yscale()) == ("linear", "log")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a", "b"]


def test_bars_stand_side_by_side_and_on_top_of_each_other():
    heights = {"a": torch.tensor([1.0, 2.0]), "b": torch.tensor([3.0, 0.5])}
    ax = plots.bars(plt.subplots()[1], heights, "position", "nats")
    assert [bar.get_height() for bar in ax.patches] == [1, 2, 3, 0.5]
    assert [bar.get_x() for bar in ax.patches] == pytest.approx([0.6, 1.6, 1.0, 2.0])
    ax = plots.stacked(heights, "image", "nats")
    assert all(at == round(at) for at in ax.get_xticks())
    assert [bar.get_y() for bar in ax.patches] == [0, 0, 1, 2]


def test_curves_show_each_term_of_both_data_sets():
    terms = [Terms(-100.0 + 10 * n, -90.0 + 10 * n, 10.0 - n) for n in range(4)]
    axes = plots.curves(History(train=terms, validation=terms[:2]))
    assert [ax.get_title() for ax in axes] == ["ELBO", "reconstruction", "KL"]
    for ax, term in zip(axes, ("elbo", "reconstruction", "kl"), strict=True):
        train, validation = ax.get_lines()
        assert list(train.get_ydata()) == [getattr(t, term) for t in terms]
        assert list(train.get_xdata()) == [1, 2, 3, 4]
        assert len(validation.get_ydata()) == 2


@cases(
    (np.arange(101.0), 5, 100),
    (np.arange(101.0)[::-1], 0, 95),
    (np.full(9, 3.0), 3, 3),
    ([1, 0, 3, 0.5, 2], 0.1, 3),
    ([1, 4, 0, 3, 2], 0.2, 4),
    ([2, 3, 0, 2.5, 1], 0, 2.9),
    ([1, 3, 0, 2, 1], 0, 2.8),
)
def test_a_bad_start_does_not_flatten_the_rest(values, low, high):
    ax, *_ = plots.curves(History([Terms(float(v), 0.0, 0.0) for v in values], []))
    pad = 0.08 * (high - low) or 1
    assert ax.get_ylim() == pytest.approx((low - pad, high + pad))


def test_learning_shows_averages_and_bands():
    seen = torch.tensor([10.0, 100.0, 1000.0]).expand(2, 3)
    test = torch.tensor([[-3.0, -2.0, -1.0], [-5.0, -4.0, -1.0]])
    points = torch.stack([seen, test + 1, test], -1)
    axes = plots.learning({"a": {"m": points}, "b": {"m": points}}, "images", "nats", columns=2)
    ax = axes[0, 0]
    average, training = ax.get_lines()
    assert list(average.get_ydata()) == [-4, -3, -1]
    assert list(training.get_ydata()) == [-3, -2, 0]
    assert ax.get_xscale() == "log"
    assert [ax.get_title() for ax in axes[0]] == ["a", "b"]


def test_intervals_are_two_standard_errors_wide():
    ax = plots.intervals({"first": (1.0, 0.25), "second": (2.0, 0.5)}, "nats")
    bars = [c.get_segments()[0][:, 0].tolist() for c in ax.collections]
    assert bars == [[0.5, 1.5], [1.0, 3.0]]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["first", "second"]


def test_images_stand_in_rows_with_gaps_of_one_pixel_and_short_rows_are_padded():
    rows = {"one": torch.arange(1.0, 13).reshape(2, 6), "two": torch.full((3, 6), 0.75)}
    (picture,) = plots.images(rows, (2, 3)).get_images()
    one, two = np.split(picture.get_array(), 2)
    assert one.shape == (3, 12)
    np.testing.assert_array_equal(one[:2, :3], [[1, 2, 3], [4, 5, 6]])
    np.testing.assert_array_equal(one[:2, 4:7], [[7, 8, 9], [10, 11, 12]])
    assert not one[2].any()
    assert not one[:, [3, 7, 8, 9, 10, 11]].any()
    assert (two[0, 8], picture.get_clim()) == (0.75, (0, 1))


def test_in_a_mosaic_the_first_index_runs_upwards():
    grid = torch.arange(4.0).reshape(2, 2, 1).expand(2, 2, 6) / 4
    ax = plots.mosaic(grid, (2, 3))
    pixels = ax.get_images()[0].get_array()
    assert (pixels[0, 0], pixels[3, 0], pixels[3, 4]) == (0.5, 0, 0.25)
    assert ax.get_xlabel() == "$z_1$ →"


def test_planes_have_their_first_coordinate_to_the_right():
    axis = torch.linspace(-1, 1, 21)
    values = (-((axis[:, None] - 0.5) ** 2) - (axis + 0.5) ** 2).exp()
    (ax,) = plots.contours(axis, [{"a": values, "b": values}], ["title"])
    assert ax.get_title() == "title"
    ring = np.concatenate(ax.collections[1].get_paths()[-1].to_polygons(closed_only=False))
    assert ring.mean(0) == pytest.approx([0.5, -0.5], abs=0.1)


def test_codes_are_written_where_they_are():
    ax = plots.codes(
        plt.subplots()[1], torch.tensor([[1.0, 2.0], [-5.0, 0.0]]), torch.tensor([3, 7])
    )
    assert [(t.get_text(), *t.get_position()) for t in ax.texts] == [("3", 1, 2), ("7", -5, 0)]
    assert ax.get_xlim() == pytest.approx((-5.2, 5.2))


def test_a_matrix_says_what_stands_in_each_cell():
    shade = torch.tensor([[0.0, torch.nan], [2.0, 1.0]])
    ax = plots.matrix(shade, [["a", "b"], ["c", "d"]], ["p", "q"], "rows", "columns")
    assert [(t.get_text(), *t.get_position()) for t in ax.texts][1] == ("b", 1.5, 0.5)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["p", "q"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("columns", "rows")


def test_the_settings_of_the_caller_are_put_back(monkeypatch):
    monkeypatch.setitem(rcParams, "lines.linewidth", 7.5)
    plots.lines(X, {"a": X}, "x", "y")
    with pytest.raises(AttributeError):
        plots.lines(X, None, "x", "y")
    assert rcParams["lines.linewidth"] == 7.5


@pytest.mark.parametrize("shape", [(2, 3), (1, 2, 3), (3, 2, 3)], ids=str)
def test_images_of_any_shape_are_drawn_channels_first(shape):
    x = torch.rand(2, *shape)
    for axes in (plots.images({"a": x, "b": x.flatten(1)}, shape), plots.mosaic(x[None], shape)):
        drawn = np.asarray(axes.get_images()[0].get_array())
        second = drawn[:2, 4:7]
        expected = x[1].movedim(0, -1) if shape[0] == 3 else x[1].reshape(2, 3)
        np.testing.assert_allclose(second, expected)
        assert drawn.shape[1] == 8
