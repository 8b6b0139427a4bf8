"""Diffusion: layers against their marginals, divergences against weighted errors, the limit."""

from functools import partial

import torch
from torch.distributions import MultivariateNormal

from tests.cases import cases, refused, seeded
from vaelib.checks import check, check_order
from vaelib.divergence import Estimate, kl_by_layer
from vaelib.exact import Discrete, as_normal, gauss_hermite
from vaelib.models import SCHEDULES, VAE, Diffusion, GaussianDecoder, Lowest, limit, noised, score
from vaelib.training import fit

LOG_SNR = torch.tensor([3.0, 1.0, -0.5, -2.0]).double()
PROBS = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
PLANE = torch.tensor([[-1.0, 0.5], [1.0, 0.0], [0.3, -2.0]]).double()
LINE = torch.tensor([[-1.0], [0.4], [1.5]]).double()
EVEN = {  # what falls or rises evenly
    "linear": lambda log_snr: log_snr,
    "polynomial": lambda log_snr: (4.0 - log_snr).pow(1 / 3),
    "cosine": lambda log_snr: log_snr.sigmoid().sqrt().acos(),
}


def noisy(x, log_snr):
    """A point under noise: which one it is, is a discrete latent."""
    return Discrete(PROBS, lambda one_hot: noised(one_hot @ x, log_snr))


def denoise(z, log_snr):
    x = PLANE if z.shape[-1] == 2 else LINE
    return noisy(x, log_snr).encode(z).probs @ x


@cases(*SCHEDULES)
def test_a_schedule_goes_evenly_in_its_own_terms_from_end_to_end(name):
    log_snr = SCHEDULES[name](torch.linspace(0, 1, 9).double(), 4.0, -3.0)
    torch.testing.assert_close(log_snr[[0, -1]], torch.tensor([4.0, -3.0]).double())
    assert EVEN[name](log_snr).diff().diff().abs().max() < 1e-12


def test_layers_are_x_with_noise_that_grows_step_by_step():
    x = torch.randn(3, 2).double()
    alpha, sigma = LOG_SNR.sigmoid().sqrt(), (1 + LOG_SNR.exp()).rsqrt()
    row = as_normal(Diffusion(denoise, 2, LOG_SNR)(x))
    check("eq-marginals", each=(alpha[:, None] * x[:, None]).flatten(1), here=row.mean)
    s, t = torch.triu_indices(4, 4)
    forward = torch.zeros(4, 4).double()  # z_t = α_t/α_s z_s + more noise, s before t
    forward[s, t] = forward[t, s] = alpha[t] / alpha[s] * sigma[s] ** 2
    wanted = torch.kron(forward, torch.eye(2).double()).expand(3, 8, 8)
    check("eq-marginals", forward=wanted, here=row.covariance_matrix)


def test_divergences_of_layers_are_weighted_errors():
    noise, x = Diffusion(denoise, 2, LOG_SNR), torch.randn(3, 2).double()
    terms = kl_by_layer(q := noise(x), noise(), z := q.sample((5,)))
    check("eq-errors", errors=noise.errors(x, z), layers=terms[:-1])
    variance = 1 / (1 + LOG_SNR[-1].exp())
    last = 0.5 * ((1 - variance) * x.square().sum(-1) + 2 * (variance - 1 - variance.log()))
    check("eq-errors", by_hand=last.expand(5, 3), layers=terms[-1])


def test_one_layer_drawn_for_each_row_has_the_sum_of_errors_as_its_mean():
    noise, many = Diffusion(denoise, 1, LOG_SNR), LINE.repeat(10_000, 1)
    drawn = Estimate.of(seeded(noise.error, many).reshape(-1, 3))
    layers = sum(w * error(t) for w, t in zip(-LOG_SNR.exp().diff() / 2, LOG_SNR[1:], strict=True))
    found = Estimate(PROBS @ drawn.mean, (PROBS @ drawn.standard_error**2).sqrt())
    check("eq-errors", drawn=found, layers=layers, wrong={"one layer": layers / 3})
    assert noise.error(torch.zeros(5, 4, 1).double()).shape == (5, 4)


def test_far_apart_ratios_lose_nothing():
    noise, x = Diffusion(denoise, 1, torch.tensor([60.0, 0.0, -60.0, -200.0])), torch.ones(2, 1)
    mean = noise(x).at(torch.zeros(2, 4))[0]
    assert all(p.mean.isfinite().all() and p.stddev.isfinite().all() for p in mean)


def test_points_have_the_density_denoiser_and_score_of_bayes_rule():
    z, t = torch.randn(5, 4, 2).double().requires_grad_(), LOG_SNR[2]
    alpha, variance = t.sigmoid().sqrt(), (1 / (1 + t.exp())) * torch.eye(2).double()
    each = MultivariateNormal(alpha * PLANE, variance).log_prob(z[..., None, :])
    joint = (each + PROBS.log()).movedim(-1, 0)
    log_p = joint.logsumexp(0)
    check("eq-points", by_hand=log_p, here=noisy(PLANE, t).log_evidence(z))
    mean = ((joint - log_p).exp()[..., None] * PLANE[:, None, None]).sum(0)
    check("eq-points", by_hand=mean, here=denoise(z, t))
    (slope,) = torch.autograd.grad(log_p.sum(), z)
    check("eq-points", autograd=slope, here=score(mean, z, t))


def mean(log_snr, f):
    """Of f(z, log snr) over the points and z_t."""
    q = noised(LINE, log_snr)
    return PROBS @ gauss_hermite(q, lambda z: f(z, log_snr), 80)


def told(z, log_snr):
    return noised(LINE, log_snr).log_prob(z) - noisy(LINE, log_snr).log_evidence(z)


def error(log_snr):
    return mean(log_snr, lambda z, t: (LINE - denoise(z, t)).square().sum(-1))


@cases(*SCHEDULES)
def test_the_limit_belongs_to_the_ends_and_layers_come_near_it_like_their_number(name):
    """½ ∫ E‖x − x̂‖² d snr is what z tells of x at the highest ratio, less that at the lowest."""
    schedule = partial(SCHEDULES[name], high=1.0, low=-2.0)
    found = limit(error, schedule, 32)
    ends, above = mean(LOG_SNR[1], told) - mean(LOG_SNR[3], told), []
    check("eq-limit", tolerance=1e-9, ends=ends, here=found)
    for T in (counts := [32, 64, 128, 256]):
        log_snr = schedule(torch.linspace(0, 1, T + 1).double())
        steps = zip(-log_snr.exp().diff() / 2, log_snr[1:], strict=True)
        above.append(sum(v * error(t) for v, t in steps) - found)
    check_order("eq-limit", step=[1 / T for T in counts], error=torch.stack(above), order=1)


class Denoiser(torch.nn.Linear):
    def forward(self, z, log_snr):
        return super().forward(torch.cat([z, log_snr.expand(*z.shape[:-1], 1)], -1))


def test_a_model_takes_it_as_prior_and_encoder_and_learns_the_denoiser():
    noise, x = Diffusion(Denoiser(3, 2), 2, LOG_SNR.float()), PLANE.float().repeat(20, 1)
    model = VAE(noise, noise, Lowest(GaussianDecoder(2, [], 2, sigma=0.3), 2))
    model.start_at(x)
    torch.testing.assert_close(model.decoder.decoder.place, x.mean(0))
    history = fit(model, x, epochs=30, learning_rate=0.01, progress=False)
    assert history.train[-1].elbo > history.train[0].elbo + 1
    assert model.prior.sample((7,)).shape == (7, 8)


test_bad_ratios_are_said = refused(
    (lambda: Diffusion(denoise, 2, LOG_SNR.flip(0)), "log_snr must be a row of finite"),
    (lambda: Diffusion(denoise, 2, LOG_SNR[None]), "log_snr must be a row of finite"),
    (lambda: Diffusion(denoise, 2, LOG_SNR[:0]), "log_snr must be a row of finite"),
    (lambda: Diffusion(denoise, 2, torch.tensor([2, 1])), "log_snr must be a row of finite"),
    (lambda: Diffusion(denoise, 0, LOG_SNR), "observed must be"),
    (
        lambda: Diffusion(denoise, 2, LOG_SNR).errors(torch.zeros(3, 1), torch.zeros(3, 2)),
        r"x must have shape \(..., 2\)",
    ),
    (lambda: Diffusion(denoise, 2, 1 / torch.tensor([0.0, 1.0])), "log_snr must be a row"),
    (lambda: limit(error, torch.abs, 0), "nodes must be a whole number of at least 1"),
)
