"""Monte Carlo EM climbs to the closed-form maximum, and a run that goes on is the same run."""

import io
import math

import pytest
import torch
from torch import nn

from tests.cases import refused
from tests.training.test_training import most_likely, parameters
from vaelib.exact import LinearGaussian
from vaelib.inference import MonteCarloEM
from vaelib.models import VAE, BernoulliDecoder, GaussianDecoder, GaussianEncoder, StandardNormal
from vaelib.objectives import log_joint


class Linear(nn.Module):
    """The linear-Gaussian model with parameters to learn, and no encoder."""

    encode = None

    def __init__(self, latent, observed):
        super().__init__()
        self.W = nn.Parameter(0.1 * torch.randn(observed, latent).double())
        self.b = nn.Parameter(torch.zeros(observed).double())
        self.log_sigma = nn.Parameter(torch.zeros(()).double())

    @property
    def exact(self):
        return LinearGaussian(self.W, self.b, self.log_sigma.exp())

    @property
    def prior(self):
        return self.exact.prior

    def decode(self, z):
        return self.exact.decode(z)


def linear_data(n=200):
    g = torch.Generator().manual_seed(3)
    W, b = torch.randn(5, 2, generator=g), torch.randn(5, generator=g)
    true = LinearGaussian(W.double(), b.double(), 0.5)
    return true.decode(true.prior.sample((n,))).sample()


def adam(parameters):
    return torch.optim.Adam(parameters, lr=0.02)


def sgd(parameters):
    return torch.optim.SGD(parameters, lr=0.1)


def run(model, x, **settings):
    return MonteCarloEM(model, x, **{"optimizer": adam, "batch_size": 50, "leapfrog": 5} | settings)


BITS = torch.bernoulli(torch.full((23, 6), 0.4), generator=torch.Generator().manual_seed(2))


def coins(seed=0):
    torch.manual_seed(seed)
    return VAE(StandardNormal(2), None, BernoulliDecoder(2, [5], 6))


def test_it_climbs_to_the_highest_evidence():
    x = linear_data()
    model, best = Linear(2, 5), float(most_likely(x, 2).log_evidence(x).mean())
    em = run(model, x)
    before = float(model.exact.log_evidence(x).mean().detach())
    assert before < best - 1
    for epoch in range(40):
        if epoch == 25:
            em.optimizer.param_groups[0]["lr"] = 0.002
        joint = em.epoch()
    after = float(model.exact.log_evidence(x).mean().detach())
    assert best - 0.02 < after < best + 1e-10
    assert abs(em.accepted - 0.9) < 0.03
    q = model.exact.encode(x)
    averages = log_joint(model, x, q.sample((500,))).mean(1).detach()
    expected, error = float(averages.mean()), float(averages.std())
    assert abs(joint - expected) < 5 * error
    assert em.seen == 40 * 200
    u = torch.linalg.solve_triangular(q.scale_tril, (em.z - q.mean).unsqueeze(-1), upper=False)
    assert abs(float((u**2).mean().detach()) - 1) < 5 * math.sqrt(2 / u.numel())


@pytest.mark.parametrize("batch_size", [5, 23, 100])
def test_the_first_epoch_is_what_the_paper_says(batch_size, monkeypatch):
    """Transitions and updates, counted and followed by hand."""
    moves, model = [], coins()
    from vaelib.inference import monte_carlo_em as room

    def spy(log_density, z, step_size, leapfrog):
        move = plain(log_density, z, step_size, leapfrog)
        moves.append((z, move, leapfrog, parameters(model)))
        return move

    plain = room.hmc
    monkeypatch.setattr(room, "hmc", spy)
    em = MonteCarloEM(model, BITS, optimizer=sgd, batch_size=batch_size)
    z, random = em.z.clone(), torch.get_rng_state()
    average = em.epoch()
    torch.set_rng_state(random)
    order = torch.randperm(23)
    by_hand, total = coins(), 0.0
    optimizer = sgd(by_hand.parameters())
    for rows, (start, move, leapfrog, theta) in zip(order.split(batch_size), moves, strict=True):
        assert torch.equal(start, z[rows])
        assert leapfrog == 10
        torch.testing.assert_close(theta, parameters(by_hand))
        total += float(log_joint(by_hand, BITS[rows], move.z).sum().detach())
        for _ in range(5):
            optimizer.zero_grad()
            (-log_joint(by_hand, BITS[rows], move.z).mean()).backward()
            optimizer.step()
        z[rows] = move.z
    assert torch.equal(em.z, z)
    torch.testing.assert_close(parameters(model), parameters(by_hand))
    assert average == pytest.approx(total / 23, rel=1e-5)
    accepted = torch.cat([move.acceptance for _, move, _, _ in moves])
    assert em.accepted == pytest.approx(float(accepted.mean()), rel=1e-5)
    assert em.seen == 23


@pytest.mark.parametrize("optimizer", [torch.optim.Adagrad, torch.optim.Adam], ids=["ada", "adam"])
@pytest.mark.parametrize("epochs", [0, 1, 3])
def test_a_run_that_goes_on_is_the_same_to_the_bit(epochs, optimizer):
    settings = {"optimizer": optimizer, "batch_size": 10}
    whole = run(coins(), BITS, **settings)
    for _ in range(epochs):
        whole.epoch()
    file = io.BytesIO()
    torch.save(whole.state(), file)
    seen = [whole.epoch() for _ in range(2)]
    file.seek(0)
    again = run(coins(seed=9), BITS, **settings)
    again.epoch()
    again.resume(torch.load(file, weights_only=True))
    assert again.seen == 23 * epochs
    assert [again.epoch() for _ in range(2)] == seen
    assert torch.equal(parameters(whole.model), parameters(again.model))
    assert torch.equal(whole.z, again.z)
    assert torch.equal(whole.step_size, again.step_size)
    assert (whole.seen, whole.accepted) == (again.seen, again.accepted)


def test_a_state_is_a_copy_that_serves_twice():
    em = run(coins(), BITS)
    em.epoch()
    state = em.state()
    first = [em.epoch(), em.epoch()]
    for _ in range(2):
        em.resume(state)
        assert [em.epoch(), em.epoch()] == first


def test_only_what_the_joint_density_depends_on_is_learned():
    model = VAE(StandardNormal(2), GaussianEncoder(6, [5], 2), BernoulliDecoder(2, [5], 6))
    model.decoder.network[0].bias.requires_grad_(False)
    em = run(model, BITS)
    learned = {id(p) for group in em.optimizer.param_groups for p in group["params"]}
    wanted = {id(p) for p in model.decoder.parameters() if p.requires_grad}
    assert learned == wanted
    before = {name: p.clone() for name, p in model.named_parameters()}
    em.epoch()
    assert all(p.grad is None for p in model.encoder.parameters())
    changed = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert changed == {name for name, p in model.named_parameters() if id(p) in wanted}


def test_a_minibatch_is_of_100_unless_told_and_a_state_in_double_goes_on_in_single_precision():
    em = MonteCarloEM(coins(), BITS, optimizer=adam)
    told = {"batch_size": 100, "updates": 5, "leapfrog": 10, "acceptance": 0.9}
    assert em.settings == told
    state = em.state()
    state["chains"]["z"] = state["chains"]["z"].double()
    em.resume(state)
    assert em.z.dtype == torch.float32
    em.epoch()


def test_the_step_size_is_tuned_all_along():
    model = coins()
    em = run(model, BITS, optimizer=lambda p: torch.optim.SGD(p, lr=1e-9), updates=1)
    for _ in range(60):
        em.epoch()
    settled = float(em.step_size)
    with torch.no_grad():
        model.decoder.network[0].weight *= 30
    for _ in range(60):
        em.epoch()
    assert float(em.step_size) < settled / 2
    accepted = []
    for _ in range(60):
        em.epoch()
        accepted.append(em.accepted)
    assert abs(sum(accepted) / 60 - 0.9) < 0.03


def test_weights_that_run_away_are_an_error():
    model = VAE(StandardNormal(1), None, GaussianDecoder(1, [3], 3, 0.5, learn_sigma=True))
    em = run(model, torch.ones(9, 3), optimizer=lambda p: torch.optim.SGD(p, 1e38))
    em.epoch()
    ran_away = r"not finite on average .* 18 examples: try a smaller .* sigma cannot vanish$"
    with pytest.raises(FloatingPointError, match=ran_away):
        em.epoch()


FROZEN = VAE(StandardNormal(2), GaussianEncoder(6, [5], 2), BernoulliDecoder(2, [5], 6))
FROZEN.decoder.requires_grad_(False)  # but for an encoder
OTHER = VAE(StandardNormal(2), None, BernoulliDecoder(2, [7], 6))


def resumed(model, x, **settings):
    return lambda: run(model, x, **settings).resume(run(coins(), BITS).state())


test_bad_arguments_raise_by_name = refused(
    (lambda: run(coins(), BITS, batch_size=0), "batch_size must be .* at least 1, got 0"),
    (lambda: run(coins(), BITS, leapfrog=0), "leapfrog must be .* at least 1, got 0"),
    (lambda: run(coins(), BITS, updates=0), "updates must be .* at least 1, got 0"),
    (lambda: run(coins(), BITS, acceptance=1.5), "acceptance must .* got 1.5"),
    (lambda: run(coins(), BITS[0]), r"x must have shape \(n, observed\), .* got \(6,\)"),
    (lambda: run(coins(), BITS[:0]), r"n at least 1, got \(0, 6\)"),
    (lambda: run(coins(), BITS[:, :4]), r"x must have shape \(\.\.\., 6\), got \(23, 4\)"),
    (lambda: run(coins(), BITS / 2), "neither 0 nor 1"),
    (lambda: run(coins(), BITS * math.nan), "x must be finite"),
    (lambda: run(FROZEN, BITS), r"^the model has no parameter that log p\(x, z\) depends on$"),
    (resumed(coins(), BITS, batch_size=7), "a run with batch_size .*, here 7"),
    (resumed(coins(), BITS, updates=2), "a run with updates .*, here 2"),
    (resumed(coins(), BITS, leapfrog=3), "a run with leapfrog .*, here 3"),
    (resumed(coins(), BITS, acceptance=0.8), "a run with acceptance 0.9, here 0.8"),
    (resumed(coins(), BITS[:9]), r"other data: .* \(23, 2\), those here \(9, 2\)"),
    (resumed(OTHER, BITS), "the state is of another model"),
)
