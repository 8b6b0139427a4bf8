"""The paper's estimate of log p(x) by posterior samples, against models with known evidence."""

import math

import pytest
import scipy.stats
import torch
from torch.distributions import MultivariateNormal

from tests.cases import refused, seeded
from tests.inference import test_hmc
from vaelib.checks import check
from vaelib.divergence import Estimate
from vaelib.exact import LinearGaussian, log_evidence_quadrature
from vaelib.inference import fit_gaussian, fit_kernels, log_evidence_hmc, sample_posterior
from vaelib.models import VAE, BernoulliDecoder, StandardNormal
from vaelib.objectives import log_joint

CHAINS = 50  # of each datum: they are independent, so their spread is the honest error
FITS = pytest.mark.parametrize("fit", [fit_gaussian, fit_kernels])


def linear(latent):
    model = test_hmc.linear(latent, latent + 2, 0.6)
    return model, model.decode(model.prior.sample((3,))).sample()


def coins():
    g = torch.Generator().manual_seed(0)
    model = VAE(StandardNormal(2), None, BernoulliDecoder(2, [8], 6)).double()
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(1.5 * torch.randn(p.shape, generator=g))
    return model, model.decode(model.prior.sample((3,))).sample()


def together(estimate):
    """log of the mean of 1/p over chains, as an Estimate: no bias from the single logarithms."""
    most = estimate.mean.amin(0)
    r = Estimate.of((most - estimate.mean).exp())
    return Estimate(most - r.mean.log(), r.standard_error / r.mean)


@FITS
@pytest.mark.parametrize("latent", [1, 2, 3])
def test_the_estimate_is_the_evidence_of_a_linear_model(latent, fit):
    model, x = linear(latent)
    estimate = log_evidence_hmc(model, x.expand(CHAINS, *x.shape), 60, fit=fit, warm_up=60)
    exact = model.log_evidence(x)
    z = model.encode(x).sample((1000,))
    forgotten = exact - model.prior.log_prob(z).mean(0)
    wrong = {"a forgotten prior": forgotten}
    check("eq-evidence-hmc", wrong=wrong, exact=exact, hmc=together(estimate))


@FITS
def test_the_estimate_is_the_evidence_of_a_network(fit):
    model, x = coins()
    estimate = log_evidence_hmc(model, x.expand(CHAINS, *x.shape), 100, fit=fit, warm_up=60)
    exact = log_evidence_quadrature(model, x).value
    wrong = {"the reciprocal's sign": -exact}
    check("eq-evidence-hmc", wrong=wrong, exact=exact, hmc=together(estimate))
    assert not estimate.mean.requires_grad
    assert all(p.grad is None for p in model.parameters())


def test_the_standard_error_is_that_of_independent_samples(monkeypatch):
    """With exact posterior samples for the chain, the errors are as large as they claim."""
    model, x = linear(2)
    x = x.expand(400, *x.shape)

    def exact_samples(model, x, samples, *_):
        return model.encode(x).sample((samples,))

    monkeypatch.setattr("vaelib.inference.posterior_density.sample_posterior", exact_samples)
    estimate = log_evidence_hmc(model, x, 200)
    score = (estimate.mean - model.log_evidence(x)) / estimate.standard_error
    assert abs(float(score.square().mean()) - 1) < 0.2
    assert abs(float(score.mean())) < 0.2


def test_the_estimate_is_the_reciprocal_average_by_hand():
    model, x = linear(2)
    z = seeded(sample_posterior, model, x, 40, 3, 20, 0.8)
    estimate = seeded(log_evidence_hmc, model, x, 20, 3, 20, 0.8)
    q = MultivariateNormal(z[:20].mean(0), torch.stack([torch.cov(z[:20, i].T) for i in range(3)]))
    r = (q.log_prob(z[20:]) - log_joint(model, x, z[20:])).exp()
    check("eq-evidence-hmc", by_hand=-r.mean(0).log(), here=estimate.mean)
    error = r.std(0) / math.sqrt(20) / r.mean(0)
    check("eq-error", by_hand=error, here=estimate.standard_error)


def test_a_small_evidence_does_not_overflow():
    """log p(x) of 400 pixels is below −1000 nats, so 1/p(x) is no float32."""
    model = LinearGaussian(torch.ones(400, 1), torch.zeros(400), 1.0)
    x = 3 * torch.randn(4, 400)
    estimate = log_evidence_hmc(model, x)
    exact = model.log_evidence(x)
    assert exact.max() < -1000
    assert ((estimate.mean - exact).abs() < 1).all()
    assert estimate.standard_error.isfinite().all()


@pytest.mark.parametrize("batch", [(), (4,), (2, 3)], ids=str)
@FITS
def test_any_batch_is_fitted_by_itself(batch, fit):
    z = torch.randn(30, *batch, 2).double() @ torch.tensor([[1.0, 0.5], [0.0, 2.0]]).double()
    q = fit(z)
    assert (q.batch_shape, q.event_shape) == (batch, (2,))
    flat, points = z.reshape(30, -1, 2), torch.randn(5, *batch, 2).double()
    alone = [fit(flat[:, i]).log_prob(points.reshape(5, -1, 2)[:, i]) for i in range(flat.shape[1])]
    batched = q.log_prob(points).reshape(5, -1)
    check("eq-fit", alone=torch.stack(alone, -1), batched=batched)


@pytest.mark.parametrize("latent", [1, 2, 5])
def test_the_fits_are_scipys(latent):
    z = torch.randn(40, latent).double() @ torch.randn(latent, latent).double()
    at = torch.randn(9, latent).double()
    kernels = torch.from_numpy(scipy.stats.gaussian_kde(z.T.numpy()).logpdf(at.T.numpy()))
    check("eq-kernels", scipy=kernels, here=fit_kernels(z).log_prob(at))
    normal = scipy.stats.multivariate_normal(z.mean(0), torch.cov(z.T))
    by_scipy = torch.as_tensor(normal.logpdf(at)).reshape(9)
    check("eq-normal", scipy=by_scipy, here=fit_gaussian(z).log_prob(at))


def evidence(**settings):
    model, x = linear(2)
    return lambda: log_evidence_hmc(model, **{"x": x, "warm_up": 3} | settings)


def on_a_line():
    z = torch.randn(30, 4, 2)
    z[:, 1:3, 1] = 2 * z[:, 1:3, 0]
    return z


test_bad_arguments_raise_by_name = refused(
    (evidence(samples=0), "samples must be a whole number of at least 1, got 0"),
    (evidence(samples=2), "2 latents needs more than 2 samples, got 2"),
    (evidence(leapfrog=0), "leapfrog must be a whole number of at least 1, got 0"),
    (evidence(acceptance=2.0), "acceptance must lie between 0 and 1, got 2.0"),
    (evidence(fit=lambda z: fit_gaussian(z[:, :1])), r"fit must give batch \(3,\), got \(1,\)"),
    (
        lambda: fit_gaussian(torch.ones(9, 3, 2)),
        "the samples of 3 of 3 data .*: their chains stand still; .* or another start$",
    ),
    (lambda: fit_gaussian(on_a_line()), "the samples of 2 of 4 data have a singular"),
    (lambda: fit_kernels(on_a_line()), "the samples of 2 of 4 data have a singular"),
    (lambda: fit_gaussian(torch.ones(9, 2) * math.nan), "the samples of 1 of 1 data"),
)
