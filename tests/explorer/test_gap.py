import copy

import numpy as np
import pytest
import torch
import traitlets
from torch import nn
from torch.distributions import Independent, Laplace

from tests.cases import cases
from tests.explorer.test_latent import state_in
from vaelib.distributions import diagonal_normal
from vaelib.exact import LinearGaussian, log_evidence_quadrature
from vaelib.explorer import GapExplorer, pack
from vaelib.models import VAE, BernoulliDecoder, GaussianDecoder, GaussianEncoder, StandardNormal

X = torch.tensor([1.0, 0.0, 0.0, 1.0, 1.0, 0.0]).double()


def vae(decoder, latent=2, observed=6, prior=StandardNormal):
    return VAE(prior(latent), GaussianEncoder(observed, [4], latent), decoder).double()


def explorer(model=None, x=X, log_evidence=None, shape=(2, 3)):
    model = model or vae(BernoulliDecoder(2, [5], 6))
    if log_evidence is None:
        log_evidence = log_evidence_quadrature(model, X).value
    return GapExplorer(model, x, log_evidence, shape)


def linear(sigma=0.5):
    model = vae(GaussianDecoder(2, [], 6, sigma))
    layer = model.decoder.network[0]
    return model, LinearGaussian(layer.weight.detach(), layer.bias.detach(), sigma)


def test_the_best_normal_of_a_linear_model_is_the_one_by_hand():
    model, exact = linear()
    x = torch.randn(6).double()
    mu, sigma = explorer(model, x, exact.log_evidence(x)).places["the best normal"]
    np.testing.assert_allclose(mu, exact.encode(x).mean, atol=1e-5)
    np.testing.assert_allclose(sigma, exact.precision.diagonal() ** -0.5, atol=1e-5)


def test_black_and_white_pixels_travel_as_log_odds_and_grey_ones_with_their_noise():
    figure = explorer()
    assert (figure.layers[-1]["activation"], figure.noise) == ("identity", 0.0)
    model, exact = linear(0.3)
    assert explorer(model, X, exact.log_evidence(X)).noise == pytest.approx(0.3, rel=1e-6)


@pytest.mark.parametrize(("hidden", "nodes"), [(4, 16), (40, 16), (128, 5)])
def test_large_networks_get_fewer_nodes(hidden, nodes):
    pixels = 784 if hidden == 128 else 64
    model = vae(BernoulliDecoder(2, [hidden], pixels), observed=pixels)
    figure = explorer(model, torch.zeros(pixels).double(), 0.0, (pixels // 8, 8))
    t, share = figure.rule
    assert len(t) == len(share) == nodes
    assert np.dot(share, np.square(t)) == pytest.approx(1)


def test_the_model_is_left_as_it_was():
    model = vae(BernoulliDecoder(2, [5], 6)).float()
    before = copy.deepcopy(model.state_dict())
    explorer(model, X.float(), -1.0)
    assert all(p.requires_grad and p.grad is None for p in model.parameters())
    assert all(torch.equal(a, before[name]) for name, a in model.state_dict().items())


def reach(figure):
    """How far three deviations of the encoder's q and of the best normal reach from the middle."""
    both = (figure.places[name] for name in ("the encoder's q", "the best normal"))
    return max(abs(m) + 3 * s for mu, sigma in both for m, s in zip(mu, sigma, strict=True))


def test_the_window_of_narrow_guesses_still_holds_the_prior():
    model, exact = linear(0.1)
    with torch.no_grad():
        model.encoder.network[-1].weight.zero_()
        model.encoder.network[-1].bias.copy_(torch.tensor([0.1, 0.1, -3.0, -3.0]))
    x = exact.decode(torch.zeros(2).double()).mean
    figure = explorer(model, x, exact.log_evidence(x))
    assert reach(figure) < 3
    assert figure.whole == [0.0, 0.0, 3.0]


def test_the_figure_holds_what_it_is_given():
    model, evidence = vae(BernoulliDecoder(2, [5, 7], 6)), -1.25
    figure, q = explorer(model, log_evidence=evidence), model.encode(X)
    assert figure.places["the prior"] == [[0.0, 0.0], [1.0, 1.0]]
    assert figure.places["the encoder's q"] == [q.mean.tolist(), q.stddev.tolist()]
    layers, weights = pack(model.decoder)
    assert figure.weights == weights
    assert [layer["activation"] for layer in figure.layers] == ["tanh", "tanh", "identity"]
    assert [layer["activation"] for layer in layers] == ["tanh", "tanh", "sigmoid"]
    assert np.frombuffer(figure.image, "<f4").tolist() == X.tolist()
    assert (figure.shape, figure.log_evidence) == ([2, 3], evidence)
    state = state_in(figure.to_html())
    assert (state["mu"], state["elbo"]) == ([0.0, 0.0], None)
    assert set(state["places"]) == {"the prior", "the encoder's q", "the best normal"}
    assert "function terms(" in figure.to_html()


def test_the_windows_hold_the_prior_and_the_guesses():
    figure = explorer()
    (mu, sigma), (x, y, half) = figure.places["the best normal"], figure.near
    assert figure.whole[:2] == [0, 0]
    assert figure.whole[2] == pytest.approx(reach(figure))
    assert 3 < figure.whole[2] < 4
    assert (x, y) == tuple(mu)
    assert half == pytest.approx(5 * max(sigma))


def test_mu_and_sigma_are_set_from_python_and_elbo_and_gap_are_not():
    figure = explorer()
    figure.mu, figure.sigma = (1, -2), (0.5, 0.25)
    assert (figure.mu, figure.sigma) == ((1.0, -2.0), (0.5, 0.25))
    for name in ("elbo", "gap"):
        assert getattr(figure, name) is None
        figure.set_state({name: -3.5})
        assert getattr(figure, name) == -3.5
        with pytest.raises(traitlets.TraitError, match=name):
            setattr(figure, name, 0.0)


@cases(
    ("mu", (float("nan"), 0.0), "mu must be finite"),
    ("mu", (1.0,), "mu"),
    ("sigma", (1.0, float("inf")), "sigma must be finite"),
    ("sigma", (1.0, 0.0), "sigma must be positive"),
    ("sigma", (-1.0, 1.0), "sigma must be positive"),
)
def test_a_q_that_is_none_is_refused_by_name(name, bad, message):
    with pytest.raises(traitlets.TraitError, match=message):
        setattr(explorer(), name, bad)


class WidePrior(StandardNormal):
    def forward(self):
        return diagonal_normal(self.mu, 2.0)


class Uneven(GaussianDecoder):
    def forward(self, z):
        return diagonal_normal(self.network(z), torch.linspace(1.0, 2.0, 6))


class Heavy(GaussianDecoder):
    def forward(self, z):
        return Independent(Laplace(self.network(z), 1.0), 1)


class Odd(nn.Module):
    def forward(self, z):
        return diagonal_normal(torch.cat([z, z, z], -1), 1.0)


@cases(
    ({"model": vae(BernoulliDecoder(3, [5], 6), 3)}, r"must be N\(0, I\) in two latents"),
    ({"model": vae(BernoulliDecoder(2, [5], 6), prior=WidePrior)}, r"must be N\(0, I\) in two"),
    ({"model": vae(Uneven(2, [5], 6, 1.0))}, "^the decoder must be .* sigma for all pixels$"),
    ({"model": vae(Heavy(2, [5], 6, 1.0))}, "must be Bernoulli, or normal with one sigma"),
    ({"model": vae(Odd())}, "Odd has no network"),
    ({"x": X[:5]}, r"x must have shape \(6,\), got \(5,\)"),
    ({"x": X[None]}, r"x must have shape \(6,\), got \(1, 6\)"),
    ({"shape": (3, 3)}, r"x must have shape \(9,\), got \(6,\)"),
    ({"x": X / 2}, "x has pixels that are neither 0 nor 1"),
    ({"log_evidence": float("nan")}, "log_evidence must be finite"),
    ({"log_evidence": -20.0}, "is -20.0000, .* was found: it is not log p.x. of .* this x$"),
)
def test_arguments_that_do_not_fit_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        explorer(**({"log_evidence": 0.0} | changes))
