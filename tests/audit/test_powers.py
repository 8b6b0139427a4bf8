"""Weights as powers of the sizes, and how they are written."""

from math import isnan, log, nan

import pytest
import torch

from tests.cases import cases
from vaelib.audit.shapes import Case, Layout, Weight, number, weight

ROWS = Case(Layout((5,)))
IMAGES = Case(Layout((2, 3, 5)))


SIZES = {"batch": 10, "pixels": 20, "latents": 3}


def test_a_weight_at_sizes_is_its_factor_times_their_powers():
    w = Weight(3.0, {"batch": 1, "pixels": -2, "latents": 0})
    assert w.at(SIZES) == w.told(SIZES) == pytest.approx(3 * 10 / 400)
    assert w.at({"batch": 2, "pixels": 1}) == 6
    assert [Weight(2.0, {"batch": p}).fixed for p in (0, -1, None)] == [True, False, False]


@pytest.mark.parametrize("powers", [{"batch": 1, "pixels": None}, {"batch": 1, "positions": 2}])
def test_a_weight_of_no_power_or_an_unknown_size_is_not_told(powers):
    assert isnan(Weight(3.0, powers).told(SIZES))
    assert Weight(3.0, powers | {"positions": 0}).at(SIZES) == 30


def test_a_weight_over_another_divides_factors_and_subtracts_powers():
    top = Weight(6.0, {"batch": 1, "pixels": 2, "height": None, "width": 3})
    below = Weight(4.0, {"pixels": -1, "latents": 1, "height": 1, "width": None})
    powers = {"batch": 1, "pixels": 3, "latents": -1, "height": None, "width": None}
    assert top.over(below) == Weight(1.5, powers)


@cases(
        (1.0, {}, "1"),
        (-0.5, {}, "−0.5"),
        (1.0, {"batch": 1}, "M"),
        (1.0009, {"batch": 1}, "M"),
        (1.002, {"batch": 1}, "1 · M"),
        (-1.0, {"batch": 1}, "−1 · M"),
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
        (1.0, {"positions": -1, "latent height": 1, "latent width": 1}, "h · w / T"),
        (nan, {"batch": 1}, "? · M"),
        (4.0, {"batch": 1, "pixels": None}, "? (no power of the sizes)"),
)  # fmt: skip
def test_a_weight_is_written_as_a_formula(factor, powers, text):
    assert str(Weight(factor, powers)) == text


@cases(
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
)
def test_numbers_are_written_with_three_digits_and_whole_ones_and_thousands_whole(value, text):
    assert number(value) == text


@cases(
    {"batch": 1, "channels": 0, "height": 0, "width": 0, "latents": -1},
    {"batch": 0, "channels": -1, "height": -1, "width": -1, "latents": 0},
    {"batch": -2, "channels": 3, "height": 1, "width": 2, "latents": 1},
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


@cases(
    lambda n: n + 1,
    lambda n: log(n),
    lambda n: n**0.5,
    lambda n: n**1.03,
    lambda n: {3: 1, 6: 2, 9: 1}[n],  # as a power at twice the size alone
    lambda n: {3: 1, 6: 1, 9: 3}[n],  # at thrice alone
    lambda n: {3: 1, 6: 2, 9: 0}[n],  # nothing left
    lambda n: {3: 1, 6: 0, 9: 3}[n],
    lambda n: float(n == 3),
)
def test_what_is_no_power_of_a_size_is_not_taken_for_one(measure):
    found = weight(lambda case: measure(case.batch) / case.sizes()["pixels"], ROWS)
    assert found.powers == {"batch": None, "pixels": -1, "latents": 0}
    assert found.at(ROWS.sizes()) == pytest.approx(measure(3) / 5)


def test_a_power_may_be_off_a_little():
    found = weight(lambda case: case.batch**-1.01, ROWS)
    assert found.powers["batch"] == -1
    assert found.at(ROWS.sizes()) == pytest.approx(3**-1.01)
