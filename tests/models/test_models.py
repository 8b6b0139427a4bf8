import math
from functools import partial

import pytest
import torch
from torch import nn
from torch.distributions import Bernoulli, Independent, MultivariateNormal

from tests.cases import cases, refused
from vaelib.distributions import diagonal_normal
from vaelib.models import (
    DECODERS,
    VAE,
    BernoulliDecoder,
    GaussianDecoder,
    GaussianEncoder,
    GreyDecoder,
    StandardNormal,
    binary,
    mlp,
)
from vaelib.objectives import elbo


def vae(decoder=None):
    return VAE(
        StandardNormal(2), GaussianEncoder(6, [8], 2), decoder or BernoulliDecoder(2, [8], 6)
    )


@cases(
    Independent(Bernoulli(torch.ones(1)), 1),
    Bernoulli(torch.ones(1)),
    MultivariateNormal(torch.zeros(1), torch.eye(1)),
    diagonal_normal(torch.zeros(1), 1.0),
)
def test_whether_pixels_are_zeros_and_ones_is_what_the_distribution_says(monkeypatch, p):
    monkeypatch.setitem(DECODERS, "new", lambda latent, hidden, observed: lambda z: p)
    assert binary("new") == ("Bernoulli" in str(p))


def test_asking_for_the_kind_of_pixels_draws_no_random_number():
    state = torch.random.get_rng_state()
    assert [name for name in DECODERS if binary(name)] == ["bernoulli"]
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_prior_is_standard_normal_in_any_precision_and_no_part_of_the_weights(dtype):
    prior = StandardNormal(3).to(dtype)
    torch.testing.assert_close(prior().mean, torch.zeros(3, dtype=dtype))
    torch.testing.assert_close(prior().stddev, torch.ones(3, dtype=dtype))
    assert prior.state_dict() == {}


@cases(
    GaussianEncoder,
    BernoulliDecoder,
    partial(GaussianDecoder, sigma=1.0),
    GreyDecoder,
    ids=["encoder", "bernoulli", "gaussian", "grey"],
)
def test_the_activation_is_the_one_asked_for(build):
    for asked, used in (({}, nn.Tanh), ({"activation": nn.ELU}, nn.ELU)):
        layers = build(3, [4, 5], 2, **asked).network
        assert [type(layer) for layer in layers[1::2]] == [used, used]


def test_the_smallest_networks_are_networks():
    assert mlp([1, 1])(torch.zeros(1)).shape == (1,)
    assert VAE(StandardNormal(1), GaussianEncoder(1, [], 1), BernoulliDecoder(1, [1], 1))
    assert GaussianEncoder(6, [], 3)(torch.zeros(6)).event_shape == (3,)


LOG_ODDS = torch.tensor([0.4, -2.0]).sigmoid()
HEADS = {
    "encoder": (GaussianEncoder, [0.3, -0.2, 0.5, -1.5], [0.3, -0.2], [0.5, -1.5]),
    "bernoulli": (BernoulliDecoder, [0.4, -2.0], LOG_ODDS, (LOG_ODDS * (1 - LOG_ODDS)).log() / 2),
    "gaussian": (partial(GaussianDecoder, sigma=1.0), [0.4, -2.0], [0.4, -2.0], [0.0, 0.0]),
    "grey": (GreyDecoder, [0.4, -2.0, -1.0, 0.6], LOG_ODDS, [-0.5, 0.3]),
}


@pytest.mark.parametrize("name", HEADS)
def test_what_a_networks_heads_say_of_mean_and_deviation(name):
    build, bias, mean, log_sigma = HEADS[name]
    module = build(2, [8], 2)
    nn.init.zeros_(module.network[-1].weight)
    module.network[-1].bias.data = torch.tensor(bias)
    p = module(torch.rand(4, 2))
    torch.testing.assert_close(p.mean, torch.as_tensor(mean).expand(4, 2))
    torch.testing.assert_close(p.stddev, torch.as_tensor(log_sigma).exp().expand(4, 2))


@pytest.mark.parametrize(("asked", "learn"), [({}, False), ({"learn_sigma": True}, True)])
def test_sigma_gets_a_gradient_only_where_it_is_learned(asked, learn):
    decoder = GaussianDecoder(2, [8], 6, sigma=0.5, **asked)
    model = vae(decoder)
    elbo(model, torch.rand(5, 6)).sum().backward()
    assert (decoder.log_sigma.grad is not None) is learn
    assert all(
        layer.weight.grad.abs().sum() > 0
        for layer in [*model.encoder.network[::2], *decoder.network[::2]]
    )
    torch.testing.assert_close(decoder.sigma.detach(), torch.tensor(0.5))


def test_networks_have_the_activation_between_layers_and_none_at_the_end():
    layers = [type(layer) for layer in mlp([6, 5, 4, 3], nn.ReLU)]
    assert layers == [nn.Linear, nn.ReLU, nn.Linear, nn.ReLU, nn.Linear]
    sizes = [(n.in_features, n.out_features) for n in mlp([6, 5, 3]) if isinstance(n, nn.Linear)]
    assert sizes == [(6, 5), (5, 3)]


test_bad_sizes_and_inputs_of_another_width_raise_by_name = refused(
    (lambda: StandardNormal(0), "latent must be a whole number of at least 1, got 0"),
    (lambda: GaussianEncoder(6, [0], 2), r"sizes\[1\] must be a whole number"),
    (lambda: mlp([6]), r"an input and an output size, got \[6\]"),
    *(
        (lambda s=s: GaussianDecoder(2, [8], 6, sigma=s), f"sigma must .* finite, got {s}")
        for s in (0.0, -1.0, math.inf, math.nan)
    ),
    *(
        (lambda n=n: n(5, [4], 2)(torch.zeros(3, 4)), r"[xz] must have .*\., 5\), got \(3, 4\)")
        for n in (GaussianEncoder, BernoulliDecoder)
    ),
)
