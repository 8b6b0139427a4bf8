"""What the second head means: against densities written by hand, and solved for."""

from math import exp, expm1, log, log1p

import pytest
import torch
from torch.nn.functional import elu, softplus

from tests.cases import cases
from vaelib.audit.heads import GRID, READINGS, USUAL, solved

SIGMAS = [1e-6, 0.01, 0.5, 1.0, 3.0, 19.0, 20.5, 30.0, 300.0]
HEADS = {
    "log σ²": (lambda s: 2 * log(s), "e^h", "h"),
    "log 1/σ²": (lambda s: -2 * log(s), "e^(−h)", "−h"),
    "log σ": (log, "e^(2h)", "2h"),
    "σ": (lambda s: s, "h²", "log h²"),
    "σ²": (lambda s: s**2, "h", "log h"),
    "softplus⁻¹ σ": (lambda s: log(expm1(s)), "softplus(h)²", "log softplus(h)²"),
    "softplus⁻¹ σ²": (
        lambda s: s**2 + log1p(-exp(-(s**2))) if s > 3 else log(expm1(s**2)),
        "softplus(h)", "log softplus(h)",
    ),
    "elu⁻¹ (σ − 1)": (lambda s: s - 1 if s > 1 else log(s), "(elu(h) + 1)²", "2 log(elu(h) + 1)"),
}  # fmt: skip


def tensor(values):
    return torch.tensor(values, dtype=torch.float64)


def test_the_readings_are_known_by_their_names():
    assert [*READINGS] == [*HEADS]
    assert all(reading.name == name for name, reading in READINGS.items())
    assert USUAL == "log σ²"


@pytest.mark.parametrize("name", HEADS)
def test_a_head_its_sigma_and_its_slope_are_told_from_each_other(name):
    head, *code = HEADS[name]
    found, sigmas = READINGS[name], [s for s in SIGMAS if s > 1e-6 or "elu" not in name]
    h = found.head(tensor(sigmas).log()).requires_grad_()
    assert h.tolist() == pytest.approx([head(s) for s in sigmas], rel=1e-9)
    assert found.sigma(h).tolist() == pytest.approx(sigmas, rel=1e-9)
    (slope,) = torch.autograd.grad(found.sigma(h).sum(), h)
    at = [i for i, s in enumerate(sigmas) if s > 1e-6]
    assert found.slope(h)[at].tolist() == pytest.approx(slope[at].abs().tolist(), rel=1e-8)
    assert (found.code, found.table) == (tuple(code), "")
    made = found.at(torch.ones(2, 3), log(0.3))
    assert made.dtype == torch.float64
    assert made.tolist() == [[pytest.approx(head(0.3), rel=1e-12)] * 3] * 2


def test_a_sigma_that_overflows_its_exponential_has_a_head():
    head = READINGS["softplus⁻¹ σ"].head
    assert head(tensor([1e3, 1e6]).log()).tolist() == pytest.approx([1e3, 1e6], rel=1e-12)
    for sigma in (20.1, 22.0):
        h = float(head(tensor([sigma]).log()))
        assert h == pytest.approx(sigma + log1p(-exp(-sigma)), rel=5e-15)
        assert h < sigma


@cases(
    ("log σ²", 2, lambda h: h.exp() + 0.01, "e^h + 0.01"),
    ("log σ²", 1, lambda h: ((h / 2).exp() + 0.01) ** 2, "(√(e^h) + 0.01)²"),
    ("softplus⁻¹ σ", 1, lambda h: (softplus(h) + 0.01) ** 2, "(softplus(h) + 0.01)²"),
    ("softplus⁻¹ σ", 2, lambda h: softplus(h) ** 2 + 0.01, "softplus(h)² + 0.01"),
)
def test_a_constant_may_be_added_to_sigma_or_to_its_square(name, power, square, written):
    found, h = READINGS[name].plus(0.01, power), tensor([-2.0, 0.0, 1.5]).requires_grad_()
    assert found.sigma(h).tolist() == pytest.approx(square(h).sqrt().tolist())
    assert found.head(square(h).log() / 2).tolist() == pytest.approx(h.tolist())
    (slope,) = torch.autograd.grad(square(h).sqrt().sum(), h)
    assert found.slope(h).tolist() == pytest.approx(slope.tolist())
    assert found.code == (written, f"log({written})")
    assert found.name == f"the h of σ² = {written}"


def slopes(variance):
    """Those of ½ σ² − log σ on the grid."""
    h = GRID.clone().requires_grad_()
    s = variance(h)
    return torch.autograd.grad(((s - s.log()) / 2).sum(), h)[0]


@cases(
    (torch.exp, "log σ²"),
    (lambda h: (2 * h).exp(), "log σ"),
    (softplus, "softplus⁻¹ σ²"),
    (lambda h: (elu(h) + 1) ** 2, "elu⁻¹ (σ − 1)"),
    (lambda h: h.exp() + 0.02, "the h of σ² = e^h + 0.02"),
    (lambda h: (softplus(h) + 0.05) ** 2, "the h of σ² = (softplus(h) + 0.05)²"),
    (lambda h: (h / 3).exp(), "the h of this σ(h)"),
)
def test_a_head_is_solved_for_and_named_where_it_has_a_name(variance, name):
    found, h = solved(slopes(variance)), tensor([-4.0, -1.0, 0.5, 3.0])
    assert found.name == name
    assert found.sigma(h).tolist() == pytest.approx(variance(h).sqrt().tolist(), rel=1e-3)
    assert found.head(variance(h).log() / 2).tolist() == pytest.approx(h.tolist(), abs=1e-2)
    assert bool(found.table) is (name == "the h of this σ(h)")


def test_a_head_without_a_name_is_shown_as_a_table():
    assert solved(slopes(lambda h: (h / 3).exp())).table == (
        "σ = 0.513 at h = −4, 0.717 at h = −2, 1 at h = 0, 1.4 at h = 2, 1.95 at h = 4"
    )


@cases(torch.ones_like(GRID), -torch.ones_like(GRID), torch.full_like(GRID, torch.nan))
def test_what_has_no_least_value_has_no_head(bad):
    assert solved(bad) is None
