"""Diffusion: the chain against its marginals, its divergences against weighted errors, its limit."""

import math

import pytest
import torch
from torch.distributions import MultivariateNormal

from tests.cases import refused, seeded
from vaelib.checks import check, check_order
from vaelib.distributions import unit_normal
from vaelib.divergence import Estimate, kl, kl_by_layer
from vaelib.exact import as_normal, gauss_hermite
from vaelib.models import SCHEDULES, VAE, Diffusion, GaussianDecoder, Lowest, Points, limit, noised
from vaelib.objectives import elbo
from vaelib.training import fit

HIGH, LOW = 4.0, -3.0
LOG_SNR = torch.tensor([3.0, 1.0, -0.5, -2.0]).double()
SCHEDULED = pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
PLANE = Points(torch.tensor([[-1.0, 0.5], [1.0, 0.0], [0.3, -2.0]]).double(), LOG_SNR[:3])
LINE = Points(
    torch.tensor([[-1.0], [0.4], [1.5]]).double(), torch.tensor([0.1, 0.5, -0.2]).double()
)


@SCHEDULED
def test_a_schedule_falls_from_end_to_end(schedule):
    log_snr = schedule(torch.linspace(0, 1, 9).double(), HIGH, LOW)
    torch.testing.assert_close(log_snr[[0, -1]], torch.tensor([HIGH, LOW]).double())
    assert (log_snr.diff() < 0).all()


def test_schedules_are_even_in_their_own_terms():
    linear, cubic, cosine = (f(torch.linspace(0, 1, 9).double(), HIGH, LOW) for f in map(
        SCHEDULES.get, ("linear", "polynomial", "cosine")
    ))  # fmt: skip
    angle = cosine.sigmoid().sqrt().acos()
    for even in (linear, angle, (HIGH - cubic).pow(1 / 3)):
        assert even.diff().diff().abs().max() < 1e-12


def test_layers_are_x_with_noise_that_grows_step_by_step():
    x = torch.randn(3, 2).double()
    alpha, sigma = LOG_SNR.sigmoid().sqrt(), (1 + LOG_SNR.exp()).rsqrt()
    row = as_normal(Diffusion(PLANE.denoise, 2, LOG_SNR)(x))
    check("eq-marginals", each=(alpha[:, None] * x[:, None]).flatten(1), here=row.mean)
    s, t = torch.triu_indices(4, 4)
    forward = torch.zeros(4, 4).double()  # z_t = α_t/α_s z_s + more noise, s before t
    forward[s, t] = forward[t, s] = alpha[t] / alpha[s] * sigma[s] ** 2
    wanted = torch.kron(forward, torch.eye(2).double()).expand(3, 8, 8)
    check("eq-marginals", forward=wanted, here=row.covariance_matrix)


def test_divergences_of_layers_are_weighted_errors():
    noise, x = Diffusion(PLANE.denoise, 2, LOG_SNR), torch.randn(3, 2).double()
    q, p = noise(x), noise()
    terms = kl_by_layer(q, p, z := q.sample((5,)))
    check("eq-errors", errors=noise.errors(x, z), layers=terms[:-1])
    again = [PLANE.denoise(v, t) for v, t in zip(z.split(2, -1)[1:], LOG_SNR[1:], strict=True)]
    weights = (LOG_SNR[:-1].exp() - LOG_SNR[1:].exp()) / 2
    by_hand = [w * (x - a).square().sum(-1) for w, a in zip(weights, again, strict=True)]
    check("eq-errors", by_hand=torch.stack(by_hand), layers=terms[:-1])
    variance = 1 / (1 + LOG_SNR[-1].exp())
    last = 0.5 * ((1 - variance) * x.square().sum(-1) + 2 * (variance - 1 - variance.log()))
    check("eq-errors", by_hand=last.expand(5, 3), layers=terms[-1])


def test_points_have_the_density_denoiser_and_score_of_bayes_rule():
    z, t = torch.randn(5, 4, 2).double().requires_grad_(), LOG_SNR[2]
    alpha, variance = t.sigmoid().sqrt(), (1 / (1 + t.exp())) * torch.eye(2).double()
    joint = torch.stack([
        w.log() + MultivariateNormal(alpha * x, variance).log_prob(z)
        for x, w in zip(PLANE.x, PLANE.logits.softmax(0), strict=True)
    ])  # fmt: skip
    log_p = joint.logsumexp(0)
    check("eq-points", by_hand=log_p, here=PLANE.noisy(t).log_prob(z))
    mean = ((joint - log_p).exp()[..., None] * PLANE.x[:, None, None]).sum(0)
    check("eq-points", by_hand=mean, here=PLANE.denoise(z, t))
    (score,) = torch.autograd.grad(log_p.sum(), z)
    check("eq-points", autograd=score, here=PLANE.score(z, t))


def error(log_snr):
    """Of the best denoiser, for each point."""
    q = noised(LINE.x, log_snr)
    return gauss_hermite(q, lambda z: (LINE.x - LINE.denoise(z, log_snr)).square().sum(-1), 200)


@SCHEDULED
def test_the_limit_belongs_to_the_ends_and_layers_come_near_it_like_their_number(schedule):
    """By information: ½ ∫ mmse d snr = I(x; z at the highest) − I(x; z at the lowest)."""
    w = LINE.logits.softmax(0)

    def information(log_snr):
        q, p = noised(LINE.x, log_snr), LINE.noisy(log_snr)
        return w @ gauss_hermite(q, lambda z: q.log_prob(z) - p.log_prob(z), 200)

    ends = information(torch.tensor(HIGH).double()) - information(torch.tensor(LOW).double())
    found = limit(error, lambda t: schedule(t, HIGH, LOW), 40)
    check("eq-limit", tolerance=1e-7, ends=ends, here=w @ found)
    counts, above = [64, 128, 256, 512], []
    for T in counts:
        log_snr = schedule(torch.linspace(0, 1, T + 1).double(), HIGH, LOW)
        steps = zip(-log_snr.exp().diff() / 2, log_snr[1:], strict=True)
        above.append(sum(v * error(t) for v, t in steps) - found)
    check_order("eq-limit", step=[1 / T for T in counts], error=torch.stack(above), order=1)


def test_a_model_takes_it_as_prior_and_encoder_and_learns_the_denoiser():
    class Denoiser(torch.nn.Linear):
        def forward(self, z, log_snr):
            return super().forward(torch.cat([z, log_snr.expand(*z.shape[:-1], 1)], -1))

    noise = Diffusion(Denoiser(3, 2), 2, LOG_SNR.float())
    model = VAE(noise, noise, Lowest(GaussianDecoder(2, [], 2, sigma=0.3), 2))
    x = PLANE.x.float().repeat(20, 1)
    history = fit(model, x, epochs=30, learning_rate=0.01, progress=False)
    assert history.train[-1].elbo > history.train[0].elbo + 1
    with torch.no_grad():
        many = x[:3].expand(20_000, 3, 2)
        sampled = Estimate.of(seeded(elbo, model, many, kl="either"))
        z = noise(many).sample()
        last = kl(noised(x[:3], noise.log_snr[-1]), unit_normal(torch.zeros(2)))
        errors = noise.errors(many, z).sum(0)
        other = Estimate.of(model.decode(z).log_prob(many) - errors - last)
    within = 5 * torch.hypot(sampled.standard_error, other.standard_error)
    assert ((sampled.mean - other.mean).abs() < within).all()
    assert model.prior.sample((7,)).shape == (7, 8)


test_bad_ratios_are_said = refused(
    (lambda: Diffusion(PLANE.denoise, 2, LOG_SNR.flip(0)), "log_snr must be finite numbers that f"),
    (
        lambda: Diffusion(PLANE.denoise, 2, LOG_SNR[None]),
        "log_snr must be finite numbers that fall",
    ),
    (lambda: Diffusion(PLANE.denoise, 2, torch.tensor([math.inf, 0.0])), "must be finite numbers"),
    (lambda: limit(error, SCHEDULES["linear"], 0), "nodes must be a whole number of at least 1"),
)
