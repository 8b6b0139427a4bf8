"""Samples for log p(x) in the latent plane: their density, and what they see."""

import math

import pytest
import torch

from vaelib.data import binarise
from vaelib.distributions import bernoulli, diagonal_normal
from vaelib.exact import log_evidence_quadrature
from vaelib.experiments.plane import REACH, Plane, evidences
from vaelib.models import BernoulliDecoder, Model, StandardNormal
from vaelib.objectives import log_evidence

PRIOR = StandardNormal(2).double()()


def two_modes(pixels=40):
    """A posterior around z_1 = 0.5 and z_1 = −0.5, of which an encoder sees the first."""

    def decode(z):
        return bernoulli(8 * (z[..., :1] ** 2 - 0.25).expand(*z.shape[:-1], pixels))

    def encode(x):
        return diagonal_normal(torch.tensor([[0.5, 0.0]] * len(x)).double(), torch.tensor([0.1, 1]))

    return Model(PRIOR, decode, encode), torch.arange(pixels).remainder(2).double()[None]


def sharp(pixels=300):
    """A decoder whose posteriors are narrow and lie in many places."""
    decoder = BernoulliDecoder(2, [20], pixels).double()
    with torch.no_grad():
        decoder.network[0].weight.mul_(4)
        decoder.network[2].weight.mul_(30)
    model = Model(PRIOR, decoder, None)
    return model, binarise(decoder(PRIOR.sample((30,))).mean.detach())


def at_the_edge(pixels=40):
    """A posterior that lies in the outermost cells."""

    def decode(z):
        return bernoulli(10 * (z[..., :1] + REACH).expand(*z.shape[:-1], pixels))

    return Model(PRIOR, decode, None), torch.zeros(2, pixels).double()


@pytest.mark.parametrize("make", [sharp, at_the_edge])
def test_the_density_has_mass_one(make):
    model, x = make()
    with torch.no_grad():
        q = Plane(model, x[:2])
        axis = torch.linspace(-8, 8, 1281).double()[:-1] + 1 / 160
        mass = q.log_prob(torch.cartesian_prod(axis, axis)[:, None]).exp().sum(0) / 80**2
    torch.testing.assert_close(mass, torch.ones(2).double(), rtol=0, atol=1e-6)


def test_a_peak_fills_its_cell_and_those_around():
    peak = torch.tensor([1.01, -2.29]).double()  # within the cells 140 and 74

    def decode(z):
        return bernoulli(-3000 * (z - peak).square().sum(-1, keepdim=True).expand(*z.shape[:-1], 9))

    q = Plane(Model(PRIOR, decode, None), torch.ones(1, 9).double())
    assert (q.batch_shape, q.event_shape) == ((1,), (2,))
    score = q.cells.logits.reshape(240, 240)
    around = {(i, j) for i in (139, 140, 141) for j in (73, 74, 75)}
    assert {tuple(place) for place in (score == score.max()).nonzero().tolist()} == around


def test_samples_have_that_density():
    model, x = sharp()
    with torch.no_grad():
        q = Plane(model, x[:2])
        z = q.sample((200_000,))
        w = (PRIOR.log_prob(z) - q.log_prob(z)).exp()
        left = w * (z[..., 0] < 0.3).double()
    for value, expected in [(w, 1.0), (left, torch.special.ndtr(torch.tensor(0.3)))]:
        error = value.std(0) / value.shape[0] ** 0.5
        assert (error < 0.01).all()
        assert ((value.mean(0) - expected).abs() < 5 * error).all()
    assert w.max() <= 1 / 0.1 + 1e-9
    assert z.abs().max() < REACH


def test_a_mode_that_the_encoder_misses_is_seen():
    model, x = two_modes()
    exact = log_evidence_quadrature(model, x, tolerance=1e-5).value
    blind, seeing = log_evidence(model, x), evidences(model, x)
    assert exact - blind.mean == pytest.approx(math.log(2), abs=0.05)
    assert blind.standard_error < 0.05
    assert (seeing.mean - exact).abs() <= 5 * seeing.standard_error <= 0.2


def test_narrow_posteriors_are_weighed_right_and_the_errors_are_honest():
    model, x = sharp()
    exact = log_evidence_quadrature(model, x, tolerance=1e-3).value
    estimate = evidences(model, x)
    assert estimate.standard_error.max() < 0.08
    z = (estimate.mean - exact) / estimate.standard_error
    assert z.abs().max() < 5
    assert z.square().mean() < 2
