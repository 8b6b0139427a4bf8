"""What a loss takes of μ, the second head and z, of losses whose coefficients are written down."""

import pytest
import torch

from tests.audit.probes import closed_form, powers, squares
from tests.cases import cases
from vaelib.audit import audit
from vaelib.audit.divergence import Divergence
from vaelib.audit.heads import READINGS
from vaelib.audit.terms import BACKWARD, CODEBOOK, FORWARD, GIVEN, SAMPLED, means

OWN = torch.tensor([[0.5, 0, 0.5, -0.5], [0.25, -1, 0.25, -0.5]]).double()
UNEVEN = OWN * torch.tensor([[1.0], [0.2]])


def of(form, *shares, each=None, **more):
    """With these shares, of z or of both heads, of all coordinates or of each."""
    each = torch.tensor([shares]).double() if each is None else each
    return Divergence(form, READINGS["σ"], each @ torch.linalg.pinv(means(form)), **more)


@cases(
    (of(FORWARD, 0.5, 0, 0.5, -0.5), True, (0, 1)),
    (of(FORWARD, 0.5, 0, 0.52, -0.5), False, None),
    (of(FORWARD, 0.5, 0.01, 0.5, -0.5), False, (-0.01, 1)),
    (of(FORWARD, 0.25, -1.0, 0.25, -0.5), False, (2, 2)),
    (of(FORWARD, 0.5, 0, 0.5, 0.5), False, None),
    (of(FORWARD, 0, 0, 0, -0.5), False, None),
    (of(FORWARD, each=OWN), False, ([0, 2], [1, 2])),
    (of(FORWARD, each=UNEVEN), False, None),
    (of(SAMPLED, 0.5, 0, 0.5, -0.5), True, (0, 1)),
    (of(SAMPLED, 0.5, 0, -0.5, -0.5), False, None),
    (of(BACKWARD, 0.5, 0, 0.5, -0.5), False, None),
    (of(CODEBOOK, 0.5, 0, 0.5, -0.5), False, None),
    (of(GIVEN, 0.5, 0, 0.5, -0.5), True, (0, 1)),
    (Divergence(None), False, None),
)
def test_the_prior_is_told_by_the_coefficients(found, standard, prior):
    assert (found.standard, found.kl) == (standard, standard)
    told = found.prior and [t.squeeze().tolist() for t in found.prior]
    assert told == (prior and [pytest.approx(p) for p in prior])


def test_a_kl_to_a_learned_prior_is_that_to_the_models():
    found = of(FORWARD, 0.25, -1.0, 0.25, -0.5, learned="m")
    assert (found.standard, found.kl) == (False, True)
    assert not of(FORWARD, 0.5, 0, 0, -0.5, learned="m").kl


def told(terms):
    """Of a squared error, and five times the sum of terms of each coordinate."""
    return audit(
        lambda x_hat, x, mu, logvar: (
            squares(x_hat, x).sum() + 5 * terms(mu, logvar).flatten(1).sum(1).mean()
        )
    ).divergence


@pytest.mark.parametrize("name", READINGS)
def test_the_kl_is_found_under_the_reading_that_makes_it_one(name):
    head = READINGS[name]
    found = told(lambda m, h: (m**2 + head.sigma(h) ** 2 - 2 * head.sigma(h).log()) / 2)
    assert (found.form, found.reading, found.standard) == (FORWARD, name, True)
    assert found.per_latent.factor == pytest.approx(5)
    assert (powers(found.per_latent), len(found.raw)) == ({"batch": -1}, 1)


def of_each(least, most):
    return lambda t: t * torch.linspace(least, most, t.shape[-1]).double()


def test_each_coordinates_own_weight_is_told_and_is_no_kl():
    found = told(lambda m, h: of_each(0.5, 2)(closed_form(m, h)))
    weights = found.each[:, 3] / found.each[:, 3].mean()
    assert weights.tolist() == pytest.approx([0.4, 0.8, 1.2, 1.6])
    assert found.per_latent.factor == pytest.approx(5 * 1.25)
    assert (found.kl, found.prior) == (False, None)


def test_each_coordinates_own_prior_is_told():
    found = told(lambda m, h: closed_form(of_each(0, 3)(m / m) - m, h))
    mean, variance = found.prior
    assert mean.tolist() == pytest.approx([0, 1, 2, 3], abs=1e-6)
    assert variance.tolist() == pytest.approx([1] * 4)
    assert not found.kl


@cases(
    (1e-6, True, True),
    (1e-5, False, False),
    (1e-9, False, True),
    (1e-3, True, False),
)
def test_what_is_no_kl_must_fit_but_for_rounding(ripple, standard, found):
    """A KL may come from an approximation; anything else is told only where it is exact."""

    def terms(m, h):
        right = closed_form(m, h) if standard else ((m**2 + 1) / h.exp() + h) / 2
        return right + ripple * (30 * m).sin()

    assert (told(terms).form is not None) is found


def drawn_once(name="log σ²", weight=2.0, mean=0.0):
    """log q − log p with one ε for all coordinates, and a term of the mean."""
    head = READINGS[name]

    def loss(x_hat, x, mu, logvar):
        sigma, noise = head.sigma(logvar), torch.randn((), dtype=mu.dtype)
        kl = 0.5 * ((mu + sigma * noise) ** 2 - noise**2) - sigma.log() + mean * mu
        return squares(x_hat, x).sum() + weight * kl.sum(1).mean()

    return loss


@pytest.mark.parametrize(("name", "weight", "mean"), [("log σ²", 2.0, 0.0), ("σ", -0.5, 0.25)])
def test_a_kl_by_noise_of_the_losss_own_is_exact(name, weight, mean):
    told = audit(drawn_once(name, weight, mean))
    found = told.divergence
    assert (found.form, found.reading, told.sampling) == (FORWARD, name, True)
    assert found.mean == pytest.approx((0.5, mean, 0.5, -0.5), abs=1e-6)
    assert found.per_latent.factor == pytest.approx(weight)
    assert powers(found.per_latent) == {"batch": -1}


def test_black_and_white_pixels_stay_so_where_a_loss_draws_noise():
    def loss(x_hat, x, mu, logvar):
        assert ((x == 0) | (x == 1)).all()
        return drawn_once()(x_hat, x, mu, logvar)

    assert audit(loss).divergence.form == FORWARD


def test_noise_in_no_known_divergence_is_told_as_none():
    found = told(lambda m, h: (m + h.exp() * torch.randn_like(m)).sin())
    assert found == Divergence(None)
