"""HMC moves as Hamilton's equations do, leaves its target invariant and finds known posteriors."""

import math

import pytest
import torch
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal, Normal

from tests.cases import refused, seeded
from vaelib.checks import check
from vaelib.distributions import diagonal_normal
from vaelib.divergence import Estimate
from vaelib.exact import LinearGaussian
from vaelib.inference import hmc, sample_posterior
from vaelib.inference.hmc import trajectory, vary
from vaelib.models import Model
from vaelib.objectives import log_joint

CHAINS = 10_000


def linear(latent=2, observed=3, sigma=0.7):
    g = torch.Generator().manual_seed(1)
    W, b = torch.randn(observed, latent, generator=g), torch.randn(observed, generator=g)
    return LinearGaussian(W.double(), b.double(), sigma)


MODEL = linear()
X = torch.tensor([[0.5, -1.0, 2.0], [3.0, 0.0, -1.0], [-0.4, 0.3, 0.1]]).double()


def two_hills():
    """A density that is no normal: a mixture of two, one wide, one narrow."""
    mu = torch.tensor([[-1.0, 0.0], [1.0, 0.5]]).double()
    sigma = torch.tensor([[1.0, 0.8], [0.4, 0.5]]).double()
    return MixtureSameFamily(Categorical(torch.tensor([0.7, 0.3])), diagonal_normal(mu, sigma))


def tilted():
    covariance = torch.tensor([[1.0, 0.7], [0.7, 1.5]]).double()
    return MultivariateNormal(torch.tensor([0.5, -1.0]).double(), covariance)


TARGETS = {"tilted normal": tilted(), "two hills": two_hills(), "posterior": MODEL.encode(X[0])}
targets = pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)


def moments(z):
    """z, its squares and the product of its coordinates."""
    return torch.cat([z, z**2, z.prod(-1, keepdim=True)], -1)


def exact_moments(target):
    """The same by a sum over a fine grid."""
    axis = torch.linspace(-9, 9, 301, dtype=torch.float64)
    z = torch.cartesian_prod(axis, axis)
    return (target.log_prob(z).softmax(0)[:, None] * moments(z)).sum(0)


def slope(target, z):
    z = z.clone().requires_grad_()
    return torch.autograd.grad(target.log_prob(z).sum(), z)[0]


def follow(target, z, v, step_size, leapfrog):
    step_size = torch.as_tensor(step_size, dtype=z.dtype)
    return trajectory(target.log_prob, z, v, slope(target, z), step_size, leapfrog)


@targets
@pytest.mark.parametrize(("step_size", "leapfrog"), [(0.3, 4), (0.7, 3), (1.0, 1)])
def test_a_transition_keeps_exact_samples_exact(target, step_size, leapfrog):
    z = target.sample((CHAINS,))
    for _ in range(3):
        z = hmc(target.log_prob, z, step_size, leapfrog).z
    exact = exact_moments(target)
    wrong = {"a fifth wider": exact + 0.2 * exact_moments(target)[2:4].mean()}
    check("eq-invariant", wrong=wrong, exact=exact, hmc=Estimate.of(moments(z)))


@targets
def test_a_trajectory_backwards_ends_where_it_began(target):
    z, v = target.sample((50,)), torch.randn(50, 2).double()
    step = torch.linspace(0.05, 0.4, 50).double()[:, None]
    new_z, new_v, log_density = follow(target, z, v, step, 7)
    back_z, back_v, _ = follow(target, new_z, -new_v, step, 7)
    check("eq-reversible", start=torch.cat([z, v], -1), there=torch.cat([back_z, -back_v], -1))
    check("eq-density", here=log_density, there=target.log_prob(new_z))
    assert ((new_z - z).abs().amax(-1) > 1e-2).all()


@targets
def test_a_trajectory_keeps_volume(target):
    def push(z):
        return 0.2 * torch.autograd.grad(target.log_prob(z), z, create_graph=True)[0]

    def ahead(zv):
        """The trajectory by hand, so that autograd can follow it."""
        z, v = zv.chunk(2)
        for _ in range(5):
            v = v + push(z)
            z = z + 0.4 * v
            v = v + push(z)
        return torch.cat([z, v])

    zv = torch.tensor([0.3, -0.2, 1.1, 0.4]).double().requires_grad_()
    jacobian = torch.autograd.functional.jacobian(ahead, zv)
    check("eq-volume", determinant=torch.linalg.det(jacobian), one=torch.ones(()).double())
    here = torch.cat(follow(target, *zv.detach().chunk(2), 0.4, 5)[:2])
    check("eq-leapfrog", by_hand=ahead(zv).detach(), here=here)


def test_the_acceptance_is_the_energys_rise():
    z = MODEL.encode(X[0]).sample((500,))
    move = seeded(hmc, tilted().log_prob, z, 1.1, 2)
    v = seeded(diagonal_normal(torch.zeros_like(z), 1.0).sample)
    new_z, new_v, _ = follow(tilted(), z, v, 1.1, 2)
    kinetic = (v.square() - new_v.square()).sum(-1) / 2
    rise = tilted().log_prob(new_z) - tilted().log_prob(z) + kinetic
    check("eq-accept", by_hand=rise.exp().clamp(max=1), here=move.acceptance)
    moved = (move.z == new_z).all(-1)
    assert (moved | (move.z == z).all(-1)).all()
    assert 0.2 < moved.double().mean() < 0.98
    share = Estimate.of(moved.double() - move.acceptance)
    assert share.mean.abs() < 5 * share.standard_error
    check("eq-density", here=move.log_density, there=tilted().log_prob(move.z))


def test_each_chain_has_its_own_step_size_and_one_needs_no_dimension_for_chains():
    z = torch.zeros(2, 3, 2).double()
    step_size = torch.tensor([[1e-9, 0.5, 0.5], [0.5, 1e-9, 0.5]]).double()
    away = hmc(tilted().log_prob, z, step_size, 3).z.norm(dim=-1)
    assert ((away < 1e-6) == (step_size < 1e-6)).all()
    z = torch.tensor([0.3, -0.2]).double()
    alone, among = (seeded(hmc, tilted().log_prob, start, 0.5, 3).z for start in (z, z[None]))
    assert alone.shape == (2,)
    torch.testing.assert_close(alone, among[0])


def test_a_chain_does_not_see_its_neighbours():
    def run(z, x):
        return seeded(hmc, lambda z: log_joint(MODEL, x, z), z, 0.3, 5)

    z, other = torch.randn(3, 2).double(), X.clone()
    other[1:] = 7 * X[1:] + 1
    one = run(z, X)
    for there in (run(torch.cat([z[:1], -z[1:]]), other), run(z * torch.ones(3, 1), other)):
        torch.testing.assert_close(there.z[0], one.z[0], rtol=0, atol=1e-12)
        assert not torch.allclose(there.z[1], one.z[1])
    x = X.clone()
    x[1:] = 1e200
    torch.testing.assert_close(run(z, x).z[0], one.z[0], rtol=0, atol=1e-12)


def cliff(z):
    """A density with a hole, where it is not a number, and a wall, where it is zero."""
    log_p = Normal(0.0, 1.0, validate_args=False).log_prob(z).sum(-1)
    log_p = torch.where(z[..., 0] > 1.0, -torch.inf, log_p)
    return torch.where(z[..., 0] < -1.0, torch.nan, log_p)


STEEP = {
    "hole and wall": (cliff, 1.0),
    "fourth power": (lambda z: -(z**4).sum(-1), 10.0),
    "sixth power": (lambda z: -(z**6).sum(-1), 1e30),
    "endless": (lambda z: (z**4).sum(-1), 1.0),
    "never a number": (lambda z: z.sum(-1) * torch.nan, 0.1),
}


@pytest.mark.parametrize(("log_density", "step_size"), STEEP.values(), ids=STEEP)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_divergent_trajectory_is_a_rejection(log_density, step_size, dtype):
    z = torch.linspace(-0.9, 0.9, 400, dtype=dtype).reshape(200, 2)
    rejected = torch.zeros(200, dtype=torch.bool)
    for _ in range(20):
        move = hmc(log_density, z, step_size, 10)
        assert move.z.isfinite().all()
        assert ((move.acceptance >= 0) & (move.acceptance <= 1)).all()
        stay = (move.z == z).all(-1)
        assert stay[move.acceptance == 0].all()
        z, rejected = move.z, rejected | stay
    assert rejected.any()


def test_a_strict_distribution_never_meets_a_nan():
    """Torch's own validation raises on values that are not numbers; no chain brings it one."""
    target = MultivariateNormal(torch.zeros(2), torch.eye(2), validate_args=True)
    z = torch.full((10, 2), 3.0)
    for _ in range(5):
        z = hmc(lambda z: target.log_prob(z) - (z**6).sum(-1), z, 100.0, 10).z
    assert (z == 3).all()


def test_a_wall_cuts_the_density_off():
    z = torch.zeros(CHAINS, 1).double()
    for _ in range(30):
        z = hmc(cliff, z, vary(torch.full((CHAINS,), 0.5).double()), 4).z
    assert z.abs().max() <= 1
    phi = math.exp(-0.5) / math.sqrt(2 * math.pi)
    variance = 1 - 2 * phi / math.erf(1 / math.sqrt(2))
    exact = torch.tensor([0.0, variance]).double()
    seen = Estimate.of(torch.cat([z, z**2], -1))
    check("eq-invariant", wrong={"no wall": exact + 0.7}, exact=exact, hmc=seen)


@pytest.mark.parametrize("latent", [1, 2, 3])
@pytest.mark.parametrize("leapfrog", [4, 10])
def test_posterior_samples_have_the_exact_mean_and_covariance(latent, leapfrog):
    model = linear(latent, 4, 0.5)
    x = model.decode(model.prior.sample((3,))).sample()
    z = sample_posterior(model, x.expand(500, 3, 4), 5, leapfrog, warm_up=60)
    assert z.shape == (5, 500, 3, latent)
    q = model.encode(x)
    u = torch.linalg.solve_triangular(q.scale_tril, (z - q.mean).unsqueeze(-1), upper=False)[..., 0]
    second = (u.unsqueeze(-1) * u.unsqueeze(-2)).mean(0)  # over a chain; chains are independent
    zero = torch.zeros(3, latent).double()
    check("eq-mean", wrong={"off": zero + 1}, exact=zero, hmc=Estimate.of(u.mean(0)))
    one = torch.eye(latent).double().expand(3, latent, latent)
    check("eq-covariance", wrong={"wide": one + 0.5}, exact=one, hmc=Estimate.of(second))


@pytest.mark.parametrize("sigma", [0.02, 3.0])
@pytest.mark.parametrize("acceptance", [0.65, 0.9])
def test_tuning_finds_the_acceptance_rate(sigma, acceptance):
    model = linear(2, 4, sigma)
    x = model.decode(model.prior.sample((100,))).sample()
    z = sample_posterior(model, x, 40, 5, acceptance=acceptance)
    stay = (z[1:] == z[:-1]).all(-1).double().mean()
    assert abs(float(1 - stay) - acceptance) < 0.3 * (1 - acceptance)


def test_each_chain_tunes_for_its_own_posterior():
    """z = x for a sharp decoder: the pixels' noise is 0.01 for one x and 1 for the other."""
    sigma, prior = torch.tensor([[0.01], [1.0]]).double(), diagonal_normal(torch.zeros(1), 1.0)
    sigma = sigma.expand(2, 100).reshape(200, 1)
    model = Model(prior, lambda z: diagonal_normal(z, sigma), None)
    z = sample_posterior(model, torch.zeros(200, 1).double(), 40, 5)
    stay = (z[1:] == z[:-1]).all(-1).double().mean(0).reshape(2, 100).mean(1)
    assert ((1 - stay - 0.9).abs() < 0.05).all()
    assert z.std(0).reshape(2, 100).mean(1)[0] == pytest.approx(0.01, rel=0.1)


def test_the_step_size_varies_within_its_bounds_and_stays_after_the_warm_up(monkeypatch):
    ratio = vary(torch.full((10_000,), 2.0)) / 2
    assert 0.7 <= ratio.min() < 0.71
    assert 1.29 < ratio.max() <= 1.3
    used = []
    monkeypatch.setattr("vaelib.inference.posterior.vary", lambda s: used.append(s) or vary(s))
    sample_posterior(MODEL, X, 7, warm_up=20)
    assert all(torch.equal(s, used[20]) for s in used[20:])
    tuned = torch.stack([*used[11:20]]).log().sum(0)
    last = 10 * used[20].log() - tuned  # the mean of ten logs, but the last is never used
    assert (last - used[19].log()).abs().max() < 0.5
    assert len(used) == 27
    assert len({tuple(s.tolist()) for s in used[:21]}) == 21


def test_a_chain_starts_where_it_is_told_to():
    start, asked = torch.full((3, 2), 50.0).double(), []
    model = Model(MODEL.prior, lambda z: asked.append(z) or MODEL.decode(z), None)
    sample_posterior(model, X, 1, warm_up=1, start=start)
    for z in (*asked[:2], start):
        assert torch.equal(z, torch.full((3, 2), 50.0).double())


def test_samples_come_from_the_callers_seed_and_leave_no_gradient():
    model = linear()
    model.W.requires_grad_()
    one = seeded(sample_posterior, model, X, 3, warm_up=5)
    assert torch.equal(one, seeded(sample_posterior, model, X, 3, warm_up=5))
    assert not one.requires_grad
    assert model.W.grad is None
    assert not torch.equal(one, sample_posterior(model, X, 3, warm_up=5))


def posterior(**settings):
    return lambda: sample_posterior(MODEL, **{"x": X, "samples": 2, "warm_up": 2} | settings)


def transition(z=None, step_size=0.1, leapfrog=2, log_density=None):
    z = torch.zeros(3, 2).double() if z is None else z
    return lambda: hmc(log_density or tilted().log_prob, z, step_size, leapfrog)


test_bad_arguments_raise_by_name = refused(
    (transition(leapfrog=0), "leapfrog must be a whole number of at least 1, got 0"),
    (transition(step_size=0.0), "step_size must be positive"),
    (transition(step_size=math.nan), "step_size must be positive"),
    (transition(step_size=torch.tensor([0.1, -0.1, 0.1])), "step_size must be .* -0.1"),
    (transition(step_size=torch.ones(2)), r"step_size must .* shape \(3,\), got \(2,\)"),
    (transition(z=X[0, 0]), r"^z must have shape \(\*chains, latent\), got a scalar$"),
    (transition(z=torch.tensor([[math.nan, 1.0, 2.0]])), "z must be finite, got 1 values that"),
    (transition(log_density=torch.sum), r"one value a chain, shape \(3,\), got \(\)"),
    (posterior(samples=0), "samples must be a whole number of at least 1, got 0"),
    (posterior(leapfrog=0), "leapfrog must be a whole number of at least 1, got 0"),
    (posterior(warm_up=0), "warm_up must be a whole number of at least 1, got 0"),
    (posterior(acceptance=1.0), "acceptance must lie between 0 and 1, got 1.0"),
    (posterior(acceptance=0), "acceptance must lie between 0 and 1, got 0"),
    (posterior(start=torch.zeros(2)), r"start must have shape \(3, 2\), got \(2,\)"),
    (posterior(start=X[:, :2] * math.inf), "start must be finite"),
    (posterior(x=X[:, :2]), r"x must have shape \(\.\.\., 3\), got \(3, 2\)"),
    (posterior(x=X * math.nan), "x must be finite, got 9 values"),
)
