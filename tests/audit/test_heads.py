"""What the second head means, and what one pixel adds: against densities written by hand."""

from math import exp, expm1, log, log1p

import pytest
import torch

from vaelib.audit.heads import READINGS, USUAL, at_log_sigma, reading

SIGMAS = [1e-6, 0.01, 0.5, 1.0, 3.0, 19.0, 20.5, 30.0, 300.0]
HEADS = {
    "log σ²": (lambda s: 2 * log(s), "e^h", "h"),
    "log σ": (log, "e^(2h)", "2h"),
    "σ": (lambda s: s, "h²", "log h²"),
    "σ²": (lambda s: s**2, "h", "log h"),
    "softplus⁻¹ σ": (lambda s: log(expm1(s)), "softplus(h)²", "log softplus(h)²"),
}


def tensor(values):
    return torch.tensor(values, dtype=torch.float64)


def test_there_are_five_readings():
    assert [*READINGS] == [*HEADS]


@pytest.mark.parametrize("name", HEADS)
def test_a_head_and_its_sigma_are_told_from_each_other(name):
    head, *code = HEADS[name]
    found, log_sigma = reading(name), tensor(SIGMAS).log()
    h = found.head(log_sigma)
    assert h.tolist() == pytest.approx([head(s) for s in SIGMAS], rel=1e-12)
    assert found.variance(h).tolist() == pytest.approx([s**2 for s in SIGMAS], rel=1e-9)
    log_variance = [2 * log(s) for s in SIGMAS]
    assert found.log_variance(h).tolist() == pytest.approx(log_variance, rel=1e-9, abs=1e-9)
    assert found.code == tuple(code)


@pytest.mark.parametrize("name", HEADS)
def test_a_slope_is_how_sigma_changes_with_its_head(name):
    found = reading(name)
    h = found.head(tensor(SIGMAS).log()).requires_grad_()
    (slope,) = torch.autograd.grad(found.variance(h).sqrt().sum(), h)
    at = [i for i, s in enumerate(SIGMAS) if s > 1e-6]
    assert found.slope(h)[at].tolist() == pytest.approx(slope[at].tolist(), rel=1e-8)


def test_the_slope_of_a_variance_is_finite_at_nothing():
    assert reading("σ²").slope(tensor([0.0, -1.0])).isfinite().all()


def test_a_sigma_that_overflows_its_exponential_has_a_head():
    assert reading("softplus⁻¹ σ").head(tensor([1e3, 1e6]).log()).tolist() == pytest.approx(
        [1e3, 1e6], rel=1e-12
    )


@pytest.mark.parametrize("sigma", [20.1, 22.0])
def test_a_large_sigma_is_its_head_but_for_an_exponential(sigma):
    h = reading("softplus⁻¹ σ").head(tensor([sigma]).log())
    assert h.item() == pytest.approx(sigma + log1p(-exp(-sigma)), rel=5e-15)
    assert h.item() < sigma


def test_the_usual_head_is_log_variance():
    assert USUAL == "log σ²"
    assert reading(None) is READINGS["log σ²"]
    assert all(reading(name) is each for name, each in READINGS.items())


@pytest.mark.parametrize("name", [None, *HEADS])
def test_a_head_is_made_for_one_sigma(name):
    head = HEADS[name or "log σ²"][0]
    made = at_log_sigma(name, torch.ones(2, 3), log(0.3))
    assert made.dtype == torch.float64
    assert made.tolist() == [[pytest.approx(head(0.3), rel=1e-12)] * 3] * 2
