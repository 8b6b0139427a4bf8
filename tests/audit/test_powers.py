"""Weights from values: least squares, powers of the sizes, and how both are written."""

from math import inf, isnan, log, nan

import numpy as np
import pytest
import torch

from vaelib.audit.powers import Weight, least_squares, number, weight
from vaelib.audit.shapes import Case, Layout

ROWS = Case(Layout((5,)))
IMAGES = Case(Layout((2, 3, 5)))


def tensor(values):
    return torch.tensor(values, dtype=torch.float64)


def noisy():
    """Two columns and values that they explain in part, all of them away from zero."""
    columns = tensor([[3.0, -1.0, 4.0, 1.0, -5.0, 9.0], [20.0, 70.0, 10.0, 80.0, 20.0, 80.0]])
    y = 2 * columns[0] - 0.5 * columns[1] + 7
    return list(columns), y + tensor([0.4, -0.7, 0.1, 0.9, -0.2, 0.3])


def test_what_is_linear_is_found_exactly():
    (a, b), _ = noisy()
    found = least_squares([a, b], 2 * a - 0.5 * b + 7)
    assert found.coefficients.tolist() == pytest.approx([2, -0.5, 7], rel=1e-12)
    assert found.coefficients.dtype == torch.float64
    assert found.residual < 1e-13


def test_what_is_linear_in_part_is_found_as_numpy_does():
    columns, y = noisy()
    found = least_squares(columns, y)
    a = np.stack([*columns, np.ones(6)], 1)
    best, *_ = np.linalg.lstsq(a, y.numpy(), rcond=None)
    assert found.coefficients.tolist() == pytest.approx(best, rel=1e-10)
    left = np.abs(a @ best - y.numpy()).max()
    assert type(found.residual) is float
    assert found.residual == pytest.approx(left / np.abs(y.numpy() - y.numpy().mean()).max())


def test_what_depends_on_no_column_is_all_residual():
    """Values up and down by one, the column left and right of them."""
    found = least_squares([tensor([1.0, 1.0, -1.0, -1.0])], tensor([5.0, 3.0, 5.0, 3.0]))
    assert found.coefficients.tolist() == pytest.approx([0, 4])
    assert found.residual == pytest.approx(1)


@pytest.mark.parametrize("bad", [nan, inf, -inf])
@pytest.mark.parametrize("where", [0, 1, 2])
def test_values_that_are_not_finite_have_no_fit(bad, where):
    columns, y = noisy()
    (*columns, y)[where][3] = bad
    found = least_squares(columns, y)
    assert found.residual == inf
    assert found.coefficients.shape == (3,)
    assert found.coefficients.isnan().all()
    assert found.coefficients.dtype == torch.float64


@pytest.mark.parametrize("value", [-3.0, 0.0, 1e9])
def test_values_all_alike_are_a_constant(value):
    columns, _ = noisy()
    found = least_squares(columns, tensor([value] * 6))
    assert found.coefficients.tolist() == [0, 0, value]
    assert found.residual == 0


def test_values_alike_but_for_rounding_are_a_constant():
    a = tensor([1.0, 2.0, 3.0])
    assert least_squares([a], -1e6 - 1e-7 * a).coefficients.tolist() == [0, pytest.approx(-1e6)]
    assert least_squares([a], -1e6 - 1e-5 * a).coefficients[0].item() == pytest.approx(
        -1e-5, rel=1e-3
    )
    assert least_squares([a], 1e-8 + 1e-14 * a).coefficients[0].item() == pytest.approx(
        1e-14, rel=1e-6
    )


def test_a_column_that_is_constant_adds_nothing():
    (a, _), _ = noisy()
    found = least_squares([a, torch.full_like(a, 8.0)], 3 * a + 1)
    assert found.coefficients.tolist() == pytest.approx([3, 0, 1], abs=1e-12)


def test_rounding_of_a_constant_column_is_not_fitted():
    (a, _), y = noisy()
    rounding = 1 + 2e-16 * tensor([0.0, 2.0, 0.0, 2.0, 0.0, 0.0])
    assert rounding.unique().numel() == 2
    slope, nothing, _ = least_squares([a, rounding], y).coefficients.tolist()
    assert nothing == pytest.approx(0, abs=1e-9)
    assert slope == pytest.approx(np.polyfit(a.numpy(), y.numpy(), 1)[0])


@pytest.mark.parametrize("small", [0, 1])
def test_columns_of_very_different_sizes_are_found(small):
    """So many rows that least squares alone would take the small one for nothing."""
    a, b = torch.rand(2, 20_000, dtype=torch.float64)
    columns, slopes = [1e8 * b], [-5e-9]
    columns.insert(small, 3e-12 * a)
    slopes.insert(small, 2 / 3e-12)
    found = least_squares(columns, 2 * a - 0.5 * b + 7)
    assert found.coefficients.tolist() == pytest.approx([*slopes, 7], rel=1e-9)


def test_a_column_far_from_zero_that_hardly_changes_is_found():
    a, b = (column.repeat(1000) for column in noisy()[0])
    found = least_squares([2.0**20 + 2.0**-30 * a, b], 2 * a - 0.5 * b)
    assert found.coefficients[:2].tolist() == pytest.approx([2.0**31, -0.5], rel=1e-6)


SIZES = {"batch": 10, "pixels": 20, "latents": 3}


def test_a_weight_at_sizes_is_its_factor_times_their_powers():
    w = Weight(3.0, {"batch": 1, "pixels": -2, "latents": 0})
    assert w.at(SIZES) == w.told(SIZES) == pytest.approx(3 * 10 / 400)
    assert w.at({"batch": 2, "pixels": 1}) == 6


def test_a_weight_that_is_no_power_is_told_at_the_sizes_tried_alone():
    w = Weight(3.0, {"batch": 1, "pixels": None})
    assert w.at(SIZES) == 30
    assert isnan(w.told(SIZES))


@pytest.mark.parametrize(
    ("powers", "fixed"),
    [({}, True), ({"batch": 0, "pixels": 0}, True), ({"batch": 0, "pixels": 1}, False),
     ({"batch": -1}, False), ({"batch": 0, "pixels": None}, False)],
)  # fmt: skip
def test_a_weight_is_fixed_if_all_its_powers_are_zero(powers, fixed):
    assert Weight(2.0, powers).fixed is fixed


def test_a_weight_over_another_divides_factors_and_subtracts_powers():
    top = Weight(6.0, {"batch": 1, "pixels": 2, "height": None, "width": 3})
    below = Weight(4.0, {"pixels": -1, "latents": 1, "height": 1, "width": None})
    powers = {"batch": 1, "pixels": 3, "latents": -1, "height": None, "width": None}
    assert top.over(below) == Weight(1.5, powers)


@pytest.mark.parametrize(
    ("factor", "powers", "text"),
    [
        (1.0, {}, "1"),
        (0.5, {"batch": 0}, "0.5"),
        (-0.5, {}, "−0.5"),
        (1 / 784, {}, "0.00128"),
        (784.0, {}, "784"),
        (1.0, {"batch": 1}, "M"),
        (1.0009, {"batch": 1}, "M"),
        (1.002, {"batch": 1}, "1 · M"),
        (0.5, {"batch": 1}, "0.5 · M"),
        (-1.0, {"batch": 1}, "−1 · M"),
        (1.0, {"latents": -1}, "1 / d"),
        (3.0, {"pixels": -2}, "3 / D^2"),
        (1.0, {"pixels": 2, "batch": 1}, "M · D^2"),
        (1.0, {"pixels": -1, "batch": -1}, "1 / (M · D)"),
        (2.0, {"latents": 1, "channels": -1, "height": -1, "width": -1}, "2 · d / (C · H · W)"),
        (1 / 784, {"latents": 1}, "d / 784"),
        (1 / 784, {"latents": 1, "batch": -1}, "d / (784 · M)"),
        (1 / 784, {"batch": -1}, "0.00128 / M"),
        (0.005, {"latents": 1}, "0.005 · d"),
        (0.005 * (1 + 5e-7), {"latents": 1}, "0.005 · d"),
        (0.005 * (1 + 5e-6), {"latents": 1}, "d / 200"),
        (1 / 784.1, {"latents": 1}, "d / 784"),
        (1 / 784.3, {"latents": 1}, "0.00128 · d"),
        (1 / 30, {"latents": 1}, "d / 30"),
        (1 / 15, {"latents": 1}, "0.0667 · d"),
        (-1 / 784, {"latents": 1}, "−0.00128 · d"),
        (4.0, {"axis 0": 1, "axis 1": -1}, "4 · axis 0 / axis 1"),
        (nan, {"batch": 1}, "? · M"),
        (4.0, {"batch": 1, "pixels": None}, "? (no power of the sizes)"),
    ],
)  # fmt: skip
def test_a_weight_is_written_as_a_formula(factor, powers, text):
    assert str(Weight(factor, powers)) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (nan, "?"),
        (0.0, "0"),
        (784.0, "784"),
        (-3.0, "−3"),
        (0.99999, "1"),
        (0.0001, "0.0001"),
        (0.12345, "0.123"),
        (12.345, "12.3"),
        (1234.2, "1,234"),
        (-1234.3, "−1,234"),
        (999.3, "999"),
        (999.5, "1,000"),
        (999_999.0, "999,999"),
        (1e6, "10⁶"),
        (-1_234_567.0, "−1.23·10⁶"),
        (1.5e-7, "1.5·10⁻⁷"),
    ],
)
def test_numbers_are_written_with_three_digits_and_whole_ones_and_thousands_whole(value, text):
    assert number(value) == text


@pytest.mark.parametrize("factor", [1.0, -0.25, 784.0])
def test_a_mean_over_pixels_is_one_over_their_number(factor):
    found = weight(lambda case: factor / case.sizes()["pixels"], ROWS)
    assert found.powers == {"batch": 0, "pixels": -1, "latents": 0}
    assert found.factor == pytest.approx(factor)


@pytest.mark.parametrize(
    "powers",
    [
        {"batch": 1, "channels": 0, "height": 0, "width": 0, "latents": -1},
        {"batch": 0, "channels": -1, "height": -1, "width": -1, "latents": 0},
        {"batch": -2, "channels": 3, "height": 1, "width": 2, "latents": 1},
    ],
)
def test_every_axis_has_its_own_power(powers):
    def measure(case):
        sizes = case.sizes()
        return 0.3 * torch.tensor([float(sizes[a]) ** p for a, p in powers.items()]).prod().item()

    found = weight(measure, IMAGES)
    assert found.powers == powers
    assert found.factor == pytest.approx(0.3, rel=1e-5)


def test_a_weight_of_nothing_is_zero_for_all_sizes():
    assert weight(lambda case: 0.0, ROWS) == Weight(0.0, {"batch": 0, "pixels": 0, "latents": 0})


@pytest.mark.parametrize(
    "measure",
    [
        lambda n: n + 1,
        lambda n: log(n),
        lambda n: n**0.5,
        lambda n: n**1.03,
        lambda n: {3: 1, 6: 2, 9: 1}[n],  # as a power at twice the size alone
        lambda n: {3: 1, 6: 1, 9: 3}[n],  # at thrice alone
        lambda n: {3: 1, 6: 2, 9: 0}[n],  # nothing left
        lambda n: {3: 1, 6: 0, 9: 3}[n],
        lambda n: float(n == 3),
    ],
)
def test_what_is_no_power_of_a_size_is_not_taken_for_one(measure):
    found = weight(lambda case: measure(case.batch) / case.sizes()["pixels"], ROWS)
    assert found.powers == {"batch": None, "pixels": -1, "latents": 0}
    assert found.at(ROWS.sizes()) == pytest.approx(measure(3) / 5)


def test_a_power_may_be_off_a_little():
    found = weight(lambda case: case.batch**-1.01, ROWS)
    assert found.powers["batch"] == -1
    assert found.at(ROWS.sizes()) == pytest.approx(3**-1.01)
