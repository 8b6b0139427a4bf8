"""Both weights of an audit together: of losses that are known in every coefficient."""

from math import log, pi

import pytest
import torch

from vaelib.audit import value, whole
from vaelib.audit.binding import Binding
from vaelib.audit.divergence import Divergence
from vaelib.audit.likelihood import Likelihood
from vaelib.audit.powers import Weight
from vaelib.audit.probe import Probe
from vaelib.audit.shapes import Case, Layout
from vaelib.audit.terms import FORWARD
from vaelib.audit.value import LEFT_OUT, THERE, WITHOUT_2PI

IMAGES, PIXELS, LATENTS = 3, 2, 5
CASE = Case(Layout((PIXELS,)), batch=IMAGES, latents=LATENTS)
LOG_2PI = log(2 * pi)


def probe(loss, *more):
    places = {role: i for i, role in enumerate(("x_hat", "x", "mu", "logvar", *more))}
    return Probe(loss, Binding(places, {}))


def weight(factor, **powers):
    return Weight(factor, powers)


def told(w):
    """A weight's factor, and the powers that are not 0."""
    return w and (pytest.approx(w.factor), {a: p for a, p in w.powers.items() if p != 0})


def entropy(p, x):
    return -x * p.log() - (1 - x) * (1 - p).log()


def square(p, x):
    return (x - p) ** 2 / 2


def gauss(p, x):
    """With σ² = ¼, complete."""
    return 4 * square(p, x) + (LOG_2PI - log(4)) / 2


def kl(m, h):
    return (m**2 + h.exp() - h - 1) / 2


BERNOULLI, ONE, MEAN = "Bernoulli on probabilities", weight(1.0), weight(1.0, batch=-1)


def likelihood(kind, per_pixel, **more):
    return Likelihood(kind, True, per_pixel, **more)


def forward(per_latent, **more):
    raw = {"μ²": 0.5, "μ": 0.0, "σ²": 0.5, "log σ²": -0.5}
    raw = {name: torch.tensor([share]).double() for name, share in raw.items()}
    return Divergence(FORWARD, "log σ²", 0.5, 0.0, 0.5, -0.5, raw, per_latent=per_latent, **more)


# the loss, its two parts; then β, σ² and scale, the normaliser, the −1, and nats in excess
READ = {
    "a mean over coordinates, without the −1": (
        lambda p, x, m, h: 2 * entropy(p, x).sum() + 6 * (kl(m, h) + 0.5).mean(1).sum(),
        likelihood(BERNOULLI, weight(2.0)), forward(weight(6.0, latents=-1)),
        (3, {"latents": -1}), None, (2, {}), THERE, False, 1.5,
    ),
    "a nat too much": (
        lambda p, x, m, h: (entropy(p, x).sum() + kl(m, h).sum()) / len(x) + 1,
        likelihood(BERNOULLI, MEAN), forward(MEAN),
        (1, {}), None, (1, {"batch": -1}), None, None, 1,
    ),
    "a −1 that is right for five coordinates alone": (
        lambda p, x, m, h: entropy(p, x).sum() + (kl(m, h) + 0.5).sum() - 2.5 * len(x),
        likelihood(BERNOULLI, ONE), forward(ONE),
        (1, {}), None, (1, {}), None, None, 0,
    ),
    "a −1 that is right for three images alone": (
        lambda p, x, m, h: entropy(p, x).sum() + (kl(m, h) + 0.5).sum() - 1.5 * m.shape[1],
        likelihood(BERNOULLI, ONE), forward(ONE),
        (1, {}), None, (1, {}), None, None, 0,
    ),
    "a floor under each coordinate": (
        lambda p, x, m, h: 2 * entropy(p, x).sum() + 3 * kl(m, h).clamp(min=0.7).sum(),
        likelihood(BERNOULLI, weight(2.0)),
        forward(weight(3.0), floor=0.7, floor_of="coordinate"),
        (1.5, {}), None, (2, {}), THERE, True, 0,
    ),
    "a floor under the batch's mean": (
        lambda p, x, m, h: entropy(p, x).sum() / len(x) + kl(m, h).sum(1).mean().clamp(min=7),
        likelihood(BERNOULLI, MEAN), forward(MEAN, floor=7, floor_of="batch"),
        (1, {}), None, (1, {"batch": -1}), THERE, True, 0,
    ),
    "a floor under each image that grows with the coordinates": (
        lambda p, x, m, h: entropy(p, x).sum() + kl(m, h).sum(1).clamp(min=7 * m.shape[1]).sum(),
        likelihood(BERNOULLI, ONE), forward(ONE, floor=7, floor_of="image", floor_grows=True),
        (1, {}), None, (1, {}), THERE, True, 0,
    ),
    "a Gaussian with its normaliser and minus the KL": (
        lambda p, x, m, h: gauss(p, x).sum() - kl(m, h).sum(),
        likelihood("Gaussian", weight(4.0)), forward(weight(-1.0)),
        (-1, {}), (0.25, {}), (1, {}), THERE, True, 0,
    ),
    "half of a Gaussian without the −1": (
        lambda p, x, m, h: (gauss(p, x).sum() + (kl(m, h) + 0.5).sum()) / 2,
        likelihood("Gaussian", weight(2.0)), forward(weight(0.5)),
        (1, {}), (0.25, {}), (0.5, {}), THERE, False, LATENTS / 2,
    ),
    "a Gaussian without 2π": (
        lambda p, x, m, h: (gauss(p, x) - LOG_2PI / 2).sum() + kl(m, h).sum(),
        likelihood("Gaussian", weight(4.0)), forward(ONE),
        (1, {}), (0.25, {}), (1, {}), WITHOUT_2PI, True, -PIXELS * LOG_2PI / 2,
    ),
    "a squared error at σ² = 1": (
        lambda p, x, m, h: square(p, x).sum() + (kl(m, h) + 0.5).sum(),
        likelihood("Gaussian", ONE), forward(ONE),
        None, None, (1, {}), LEFT_OUT, False, (LATENTS - PIXELS * LOG_2PI) / 2,
    ),
    "a normaliser that is right for two pixels alone": (
        lambda p, x, m, h: 4 * square(p, x).sum() + len(x) * (LOG_2PI - log(4)) + kl(m, h).sum(),
        likelihood("Gaussian", weight(4.0)), forward(ONE),
        None, None, (1, {}), None, None, 0,
    ),
    "a parameter's σ², which is ¼": (
        lambda p, x, m, h: gauss(p, x).sum() + kl(m, h).sum(),
        likelihood("Gaussian", ONE, variance="parameter s", current=0.25), forward(ONE),
        (1, {}), None, (1, {}), THERE, True, 0,
    ),
    "a parameter's σ², without a normaliser": (
        lambda p, x, m, h: 4 * square(p, x).sum() + kl(m, h).sum(),
        likelihood("Gaussian", ONE, variance="parameter s", current=0.25), forward(ONE),
        (1, {}), None, (1, {}), LEFT_OUT, True, -PIXELS * (LOG_2PI - log(4)) / 2,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_weights_scale_and_constants_are_those_of_the_loss(name):
    loss, p, d, beta, variance, scale, normaliser, minus_one, constant = READ[name]
    found = value.find_value(probe(loss), CASE, p, d)
    assert told(found.ratio) == told(d.per_latent.over(p.per_pixel))
    assert (told(found.beta), told(found.variance)) == (beta, variance)
    assert told(found.scale) == scale
    assert (found.normaliser, found.minus_one) == (normaliser, minus_one)
    above = found.above({"pixels": PIXELS, "latents": LATENTS})
    assert above == pytest.approx(constant, abs=1e-9)


@pytest.mark.parametrize(
    ("beta", "nats", "explained"),
    [(1, 4.7e-3, True), (1, -5.3e-3, None), (1e-3, 2.3e-4, True), (1e-3, -2.7e-4, None)],
)
def test_what_is_left_is_rounding_if_it_is_far_below_a_lost_minus_one(beta, nats, explained):
    def loss(p, x, m, h):
        return 2 * (entropy(p, x).sum() + beta * kl(m, h).sum() + nats * len(x))

    p, d = likelihood(BERNOULLI, weight(2.0)), forward(weight(2.0 * beta))
    assert value.find_value(probe(loss), CASE, p, d).minus_one is explained


def parts(p, x, m, h):
    return (2 * entropy(p, x).sum() + 3 * kl(m, h).sum()) / len(x)


@pytest.mark.parametrize(
    ("more", "consistent"),
    [
        (lambda p, m, h: 1000, True),
        (lambda p, m, h: 1e-5 * (p * m[:, :1]).sum(), True),
        (lambda p, m, h: (p * m[:, :1]).sum(), False),
        (lambda p, m, h: (p * m[:, :1].detach()).sum(), False),
        (lambda p, m, h: (p.detach() * h[:, :1]).sum(), False),
    ],
)
def test_the_parts_are_consistent_if_none_moves_the_others_gradient(more, consistent):
    asked = probe(lambda p, x, m, h: parts(p, x, m, h) + more(p, m, h))
    assert whole.consistent(asked, CASE, forward(MEAN)) is consistent


def part(t, share):
    """The value of t, and a share of its gradient."""
    return (1 - share) * t.detach() + share * t


@pytest.mark.parametrize(
    ("loss", "shares", "said"),
    [
        (lambda e, k: e + k, (1, 1), (1, 1)),
        (lambda e, k: e + 1.009 * part(k, 1 / 1.009) + 7, (1, 1), (1, 1)),
        (lambda e, k: e + part(k, 0.2), (1, 0.2), (1, 5)),
        (lambda e, k: part(e, 0.1) + 2 * k, (0.1, 2), (10, 1)),
        (lambda e, k: e + k - k.detach(), (1, 1), (1, 0)),
        (lambda e, k: e + k - 2 * k.detach(), (1, 1), (1, -1)),
        (lambda e, k: e + k + k.detach() ** 2, (1, 1), None),
    ],
)
def test_what_the_value_says_beside_its_gradient_is_told(loss, shares, said):
    asked = probe(lambda p, x, m, h: loss(entropy(p, x).sum(), kl(m, h).sum()))
    p, d = likelihood(BERNOULLI, weight(shares[0])), forward(weight(shares[1]))
    found = value.find_value(asked, CASE, p, d)
    assert found.said == (said and pytest.approx(said))
    assert found.ratio.factor == pytest.approx(shares[1] / shares[0])
    if said != (1, 1):  # of another value, no constants are told
        assert (found.normaliser, found.minus_one) == (None, None)


def test_with_a_floor_the_parts_are_looked_at_far_above_it():
    def loss(p, x, m, h):
        kls = kl(m, h)
        return entropy(p, x).sum() + torch.where(kls < 7, p[:, :1] * kls, kls).sum()

    assert whole.consistent(probe(loss), CASE, forward(ONE, floor=7, floor_of="coordinate"))
    assert not whole.consistent(probe(loss), CASE, forward(ONE))


@pytest.mark.parametrize(
    ("scale", "unit"),
    [
        (weight(1), "nats per image, summed over the batch"),
        (weight(1.0005, batch=0, pixels=0), "nats per image, summed over the batch"),
        (weight(1, batch=-1, channels=0, height=-1), "nats per image, mean over the batch"),
        (weight(1, batch=-2), "nats per image"),
        (weight(1 / log(2), batch=-1), "bits per image, mean over the batch"),
        (weight(784, batch=-1), "784 nats per image, mean over the batch"),
        (weight(0.25, pixels=-1), "0.25 nats per pixel, summed over the batch"),
        (
            weight(1, batch=-1, channels=-1, height=-1, width=-1),
            "nats per pixel, mean over the batch",
        ),
        (
            weight(784.5, batch=-1, pixels=-1),
            "nats per image of 784 pixels, mean over the batch",
        ),
        (
            weight(1, batch=-1, latents=-1),
            "nats per image and coordinate of z, mean over the batch",
        ),
        (weight(1, batch=-1, pixels=None), "a unit that depends on the sizes"),
    ],
)
def test_the_unit_is_told_in_words(scale, unit):
    assert value.unit(scale, {"pixels": 784}) == unit
