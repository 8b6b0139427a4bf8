"""The weights of formulas, from gradients: of losses whose weights are written down."""

from math import inf, nan

import pytest
import torch

from tests.audit.probes import begin, drawn
from tests.cases import cases
from vaelib.audit.terms import Fit, fit

BOTH = ("mu", "logvar")
PRODUCT = (lambda i: (i["mu"] * i["logvar"]).sum(), BOTH)
SQUARE = (lambda i: (i["mu"] ** 2).sum(), BOTH)
PARTS = [PRODUCT, SQUARE]


def fitted(loss, formulas=PARTS, **how):
    probe, case = begin(lambda x_hat, x, mu, logvar: loss(mu, logvar))
    return fit(probe, drawn(probe, case), formulas, **how)


def detached(mu, h):
    return (mu.detach() * h).sum(), (mu * h.detach()).sum()


@cases(
    (1, 1, True),
    (1e9, 1, False),
    (1e-9, 1, True),
    (1, 1e-6, False),
    (1, 1e-9, False),
)
def test_weights_are_those_of_the_loss_whatever_their_size(scale, small, one):
    found = fitted(lambda m, h: scale * (3 * m * h - 2 * small * m**2).sum() + 1e5, one=one)
    assert found.mean.tolist() == pytest.approx([3 * scale, -2 * small * scale], rel=1e-6)
    assert found.residual < 1e-10
    assert found.alike


def test_each_entry_has_weights_of_its_own():
    own = torch.tensor([1.0, 2.0, -3.0, 0.0]).double()
    found = fitted(lambda m, h: (own * m * h - m**2).sum())
    assert found.coefficients[:, 0].tolist() == pytest.approx(own.tolist(), abs=1e-9)
    assert found.mean.tolist() == pytest.approx([0, -1], abs=1e-9)
    assert not found.alike
    assert found.residual < 1e-10


@pytest.mark.parametrize(("share", "alike"), [(0.9e-4, True), (2.1e-4, False)])
def test_weights_a_ten_thousandth_apart_are_alike(share, alike):
    assert Fit(torch.tensor([[1.0 + share], [1.0 - share]]), torch.zeros(2)).alike is alike


def test_a_formula_counts_for_the_inputs_alone_that_it_is_said_to():
    """Its value is that of both; its gradient reaches one of them."""
    parts = [(PRODUCT[0], ("logvar",)), (PRODUCT[0], ("mu",))]
    found = fitted(lambda m, h: 0.8 * detached(m, h)[0] + 0.2 * detached(m, h)[1], parts)
    assert found.mean.tolist() == pytest.approx([0.8, 0.2])
    assert fitted(lambda m, h: detached(m, h)[0]).residual > 0.1


def test_what_no_formula_explains_is_left_at_its_place():
    one = [(SQUARE[0], ("mu",))]
    found = fitted(lambda m, h: (5 * m**2).sum() + (h.exp() * m)[:, 1].sum(), one)
    assert found.residual == found.residuals.max() == found.residuals[1] > 1e-3
    assert found.residuals[[0, 2, 3]].max() < 1e-10


def test_the_rest_is_a_share_of_the_largest_gradient():
    probe, case = begin(lambda x_hat, x, mu, logvar: (mu * logvar).sum())
    inputs = drawn(probe, case)
    found = fit(probe, inputs, [(lambda i: i["mu"].sum(), ("mu",))])
    h = torch.cat([i["logvar"] for i in inputs])
    assert found.coefficients[:, 0].tolist() == pytest.approx(h.mean(0).tolist())
    rest = (h - h.mean(0)).abs().amax(0) / h.abs().max()
    assert found.residuals.tolist() == pytest.approx(rest.tolist())


@pytest.mark.parametrize("bad", [nan, inf])
@pytest.mark.parametrize("of", ["loss", "formula"])
def test_gradients_that_are_not_finite_have_no_fit(bad, of):
    worse = [(lambda i: bad * SQUARE[0](i), BOTH)] if of == "formula" else PARTS
    found = fitted(lambda m, h: (m**2).sum() * (bad if of == "loss" else 1), worse)
    assert found.residual == inf
    assert found.coefficients.isnan().all()
    assert found.coefficients.shape == (4, len(worse))


def test_a_loss_without_a_gradient_has_weights_of_zero():
    assert fitted(lambda m, h: (m**2).sum().item()).coefficients.abs().max() == 0
