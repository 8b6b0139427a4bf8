"""Priors that are learned: densities by another route, where they begin, what they leave alone."""

import math

import pytest
import torch
from torch.distributions import Independent, Normal

from tests.cases import refused
from vaelib.distributions import diagonal_normal, mixture, unit_normal
from vaelib.divergence import Estimate
from vaelib.flows import FlowEncoder, FlowPrior
from vaelib.models import (
    PRIORS,
    VAE,
    Aggregate,
    BernoulliDecoder,
    GaussianEncoder,
    MixturePrior,
    PseudoInputs,
)
from vaelib.objectives import ELBO, elbo, log_evidence, log_joint
from vaelib.training import Validation, refit

X = torch.rand(40, 6, generator=torch.Generator().manual_seed(0)).round().double()
STEP = 0.05
BENT = {"mixture": 0.5, "pseudo-inputs": 0.3, "flow": 0.2}
PLANE = torch.cartesian_prod(*[torch.arange(-12, 12, STEP).double()] * 2)


def vae(name, seed=0):
    """A model with a prior that is neither near N(0, I) nor alike in two directions."""
    torch.manual_seed(seed)
    encoder = GaussianEncoder(6, [8], 2)
    prior = PRIORS[name](encoder, X[:1].float(), 2, 5)
    model = VAE(prior, encoder, BernoulliDecoder(2, [8], 6)).double()
    for parameter in prior.parameters():
        torch.nn.init.normal_(parameter, std=BENT[name])
    return model


@pytest.fixture(params=PRIORS)
def model(request):
    return vae(request.param)


def test_a_density_integrates_to_one_and_is_that_of_its_samples(model):
    p, mass = model.prior, STEP**2 * model.prior.log_prob(PLANE).exp()
    torch.testing.assert_close(mass.sum(), torch.ones(()).double(), atol=1e-3, rtol=0)
    with torch.no_grad():
        z = p.sample((20_000,))
        moments = Estimate.of(torch.cat([z, z.square(), z.prod(1, keepdim=True)], 1))
    by_density = torch.cat([PLANE, PLANE.square(), PLANE.prod(1, keepdim=True)], 1)
    exact = (mass[:, None] * by_density).sum(0)
    assert ((moments.mean - exact).abs() < 5 * moments.standard_error).all()


def test_evidence_and_bounds_are_those_of_the_prior(model):
    """Against a sum over the plane, which knows nothing of encoders or samples."""
    with torch.no_grad():
        log_joints = log_joint(model, X[:4], PLANE[:, None])
        exact = log_joints.logsumexp(0) + 2 * math.log(STEP)
        torch.manual_seed(1)
        found = log_evidence(model, X[:4], 20_000)
        bound = Estimate.of(elbo(model, X[:4].expand(20_000, 4, 6), kl="either"))
        log_q = model.encode(X[:4]).log_prob(PLANE[:, None])
        right = STEP**2 * (log_q.exp() * (log_joints - log_q)).sum(0)
    assert ((found.mean - exact).abs() < 5 * found.standard_error + 1e-3).all()
    assert (found.standard_error < 0.05).all()
    assert ((bound.mean - right).abs() < 5 * bound.standard_error + 1e-3).all()
    assert (right < exact).all()


def test_the_kl_is_exact_where_it_can_be_and_free_bits_need_that():
    assert ELBO().kl == "either"
    with pytest.raises(ValueError, match="the coordinates of Mixture are not independent"):
        ELBO(free_bits=0.1)(vae("mixture"), X)


def test_a_mixture_is_the_sum_of_its_parts_however_many(monkeypatch):
    mu, sigma, logits = torch.randn(7, 3), torch.rand(7, 3) + 0.1, torch.randn(7)
    z = torch.randn(4, 5, 3)
    parts = Normal(mu, sigma).log_prob(z[..., None, :]).sum(-1)
    by_hand = (parts + logits.log_softmax(0)).logsumexp(-1)
    whole = mixture(diagonal_normal(mu, sigma), logits)
    torch.testing.assert_close(whole.log_prob(z), by_hand)
    monkeypatch.setattr("vaelib.distributions.mixtures.HELD", 50)  # two points at a time
    torch.testing.assert_close(whole.log_prob(z), by_hand)
    equal = parts.logsumexp(-1) - math.log(7)
    torch.testing.assert_close(mixture(diagonal_normal(mu, sigma)).log_prob(z), equal)
    assert whole.log_prob(z[0, 0]).shape == ()


test_what_is_no_mixture_raises = refused(
    (lambda: mixture(unit_normal(torch.zeros(2))), r"batch \(J,\), got \(\)"),
    (lambda: mixture(unit_normal(torch.zeros(0, 2))), r"batch \(J,\), got \(0,\)"),
    (lambda: mixture(unit_normal(torch.zeros(3, 2)), torch.zeros(2)), r"\(3,\), got \(2,\)"),
)


def test_pseudo_inputs_hold_the_encoder_itself():
    model = vae("pseudo-inputs")
    prior = model.prior_module
    q = model.encode(prior.u)
    torch.testing.assert_close(model.prior.log_prob(X[:, :2]), mixture(q).log_prob(X[:, :2]))
    model.encoder.network[-1].bias.data += 1
    torch.testing.assert_close(model.prior.mean, model.encode(prior.u).mean.mean(0))
    assert sum(p is q for p in model.parameters() for q in model.encoder.parameters()) == 4


def test_pseudo_inputs_start_at_data_without_holes():
    model, x = vae("pseudo-inputs"), X + 1
    x[-1, 2] = torch.nan
    model.start_at(x)
    rows = [0, 9, 19, 29, 39]
    torch.testing.assert_close(model.prior_module.u[:4].data, x[rows[:4]])
    assert model.prior_module.u[4, 2] == x[:, 2].nanmedian()


def test_the_aggregate_is_the_best_prior_and_does_not_learn():
    model = vae("standard")
    with torch.no_grad():
        q = model.encode(X)
        prior = Aggregate(q)
        z = q.sample((500,))
        torch.testing.assert_close(prior().log_prob(z), mixture(q).log_prob(z))
        best = prior().log_prob(z).mean(1)
        for name in PRIORS:
            other = vae(name, seed=3).prior.log_prob(z).mean(1)
            gain = Estimate.of(best - other)
            assert gain.mean > 5 * gain.standard_error
    assert not list(prior.parameters())
    assert set(prior.state_dict()) == {"mu", "sigma"}
    with pytest.raises(ValueError, match="the model has no parameters to learn"):
        refit(prior, z[0], epochs=1)
    with pytest.raises(ValueError, match="codes must be a diagonal_normal, got Independent"):
        Aggregate(Independent(Normal(torch.zeros(3, 2), 1.0), 1))


CODES = torch.cat([torch.randn(200, 2) / 9 + torch.tensor([s, 4.0]) for s in (-3, 3)]).double()
ENTROPY = math.log(2) + 1 + math.log(2 * math.pi / 81)  # of the two normals, which do not overlap


@pytest.mark.parametrize("name", ["mixture", "flow"])
def test_the_second_stage_finds_two_heaps_of_codes(name):
    prior = PRIORS[name](None, X, 2, 2).double()
    how = {"epochs": 150, "learning_rate": 0.02, "batch_size": 100, "progress": False}
    history = refit(prior, CODES, validation=Validation(CODES, patience=150), **how)
    assert history.validation[history.best].elbo > -ENTROPY - 0.35
    assert history.validation[0].elbo < -ENTROPY - 0.3


def test_the_second_stage_begins_on_the_codes_by_the_seed():
    def begun(seed):
        prior = MixturePrior(2, 50).double()
        state = torch.random.get_rng_state()
        refit(prior, CODES, epochs=1, learning_rate=1e-9, seed=seed, progress=False)
        assert torch.equal(torch.random.get_rng_state(), state)
        return prior.mu.data

    assert torch.cdist(begun(1), CODES).amin(1).max() < 0.3
    assert torch.equal(begun(1), begun(1))
    assert not torch.equal(begun(1), begun(2))
    assert FlowPrior(1)().log_prob(torch.zeros(3, 1)).shape == (3,)
    flow = FlowPrior(2).double()
    flow.cover(CODES)
    drawn = flow().sample((20_000,))
    torch.testing.assert_close(drawn.mean(0), CODES.mean(0), atol=0.2, rtol=0)
    torch.testing.assert_close(drawn.std(0), CODES.std(0), atol=0.2, rtol=0)


def test_a_mixture_has_places_widths_and_shares_and_begins_as_wide_as_fills_the_codes():
    prior, z = MixturePrior(2, 4).double(), torch.randn(9, 2).double()
    prior.cover(CODES)
    spread = CODES.std(0, correction=0) / 4 ** (1 / 2)
    torch.testing.assert_close(prior.log_sigma.exp().data, spread.expand(4, 2))
    one, many = MixturePrior(2, 1).double(), MixturePrior(2, 3 * len(CODES)).double()
    one.cover(CODES), many.cover(CODES)
    torch.testing.assert_close(one.mu.data[0], CODES.mean(0))
    assert len(many.mu.unique(dim=0)) == 3 * len(CODES)  # none stays with another for ever
    for whole in (one(), many()):
        torch.testing.assert_close(whole.variance, CODES.var(0), atol=0.02, rtol=0.02)
    torch.nn.init.normal_(prior.logits)
    parts = Normal(prior.mu, prior.log_sigma.exp()).log_prob(z[:, None]).sum(-1)
    torch.testing.assert_close(
        prior().log_prob(z), (parts + prior.logits.log_softmax(0)).logsumexp(1)
    )


def test_evidence_asks_for_the_prior_once_however_many_its_portions(monkeypatch):
    model, asked = vae("pseudo-inputs"), []
    model.prior_module.register_forward_pre_hook(lambda *_: asked.append(1))
    log_evidence(model, X, 20, chunk=8)
    assert len(asked) == 1


@pytest.mark.parametrize("codes", [torch.zeros(5, 3), torch.zeros(2), torch.zeros(0, 2)])
def test_codes_of_another_shape_are_refused_before_the_prior_moves(codes):
    prior = MixturePrior(2, 4)
    before = prior.mu.clone()
    with pytest.raises(ValueError, match="codes must have"):
        refit(prior, codes, epochs=1)
    assert torch.equal(prior.mu, before)


def test_pseudo_inputs_take_an_encoder_whose_mean_is_not_known():
    bent = FlowEncoder(GaussianEncoder(6, [8], 2), latent=2, context=6)
    p = PseudoInputs(bent, torch.rand(5, 6))()
    with torch.no_grad():
        parts = bent(PseudoInputs(bent, torch.zeros(1, 6)).u).log_prob(torch.zeros(3, 2))
        assert p.log_prob(torch.zeros(3, 2)).shape == parts.shape


def test_the_second_stage_leaves_the_encoder_as_it_is():
    model = vae("pseudo-inputs")
    model.encoder.network[0].bias.requires_grad_(False)
    asked = [p.requires_grad for p in model.parameters()]
    before, u = [p.clone() for p in model.encoder.parameters()], model.prior_module.u.clone()
    codes = model.encode(X).sample()
    refit(model.prior_module, codes, epochs=3, learning_rate=0.1, progress=False)
    assert all(map(torch.equal, before, model.encoder.parameters()))
    assert not torch.equal(u, model.prior_module.u)
    assert [p.requires_grad for p in model.parameters()] == asked
