"""Both weights of an audit together, and several samples: of losses known in every coefficient."""

from math import log, pi

import pytest
from torch import Tensor

from vaelib.audit import value
from vaelib.audit.binding import Binding
from vaelib.audit.divergence import FORWARD, SAMPLED, Divergence
from vaelib.audit.likelihood import Likelihood
from vaelib.audit.powers import Weight
from vaelib.audit.probe import Probe
from vaelib.audit.shapes import Case, Layout
from vaelib.audit.value import LEFT_OUT, THERE, UNKNOWN

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


def sampled_kl(m, h, z):
    return (z**2 - (z - m) ** 2 / h.exp() - h) / 2


BERNOULLI, ONE, MEAN = "Bernoulli on probabilities", weight(1.0), weight(1.0, batch=-1)


def likelihood(kind, per_pixel, **more):
    return Likelihood(kind, True, per_pixel, **more)


def forward(per_latent, **more):
    return Divergence(FORWARD, "log σ²", 0.5, 0.0, 0.5, -0.5, per_latent=per_latent, **more)


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
    assert found.constant == pytest.approx(constant, abs=1e-9)


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


PARTS = likelihood(BERNOULLI, weight(2.0, batch=-1)), forward(weight(3.0, batch=-1))


@pytest.mark.parametrize(
    ("loss", "consistent"),
    [
        (lambda *i: parts(*i) + 1000, True),
        (lambda *i: parts(*i) * (1 + 0.95e-3), True),
        (lambda *i: parts(*i) * (1 - 1.05e-3), False),
        (lambda p, x, m, h: parts(p, x, m.clamp(-3, 3), h), True),
        (lambda p, x, m, h: parts(p, x, m, h) + (p * m[:, :1]).sum(), False),
    ],
    ids=["a constant", "rounding", "too much for rounding", "a clamp far away", "a product"],
)
def test_the_parts_are_consistent_if_added_they_give_the_loss(loss, consistent):
    assert value.consistent(probe(loss), CASE, *PARTS) is consistent


def test_with_a_floor_the_parts_are_added_far_above_it():
    def loss(p, x, m, h):
        return entropy(p, x).sum() + kl(m, h).clamp(min=7).sum()

    p = likelihood(BERNOULLI, ONE)
    assert value.consistent(probe(loss), CASE, p, forward(ONE, floor=7, floor_of="coordinate"))
    assert not value.consistent(probe(loss), CASE, p, forward(ONE))


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


FIVE, FIFTEEN = weight(5.0, batch=-1), weight(15.0, batch=-1)
GAUSSIAN = Likelihood("Gaussian", True, weight(20.0, batch=-1))
BY_SAMPLES = Divergence(SAMPLED, "log σ²", 0.5, v=-0.5, g=-0.5, per_latent=FIFTEEN)
VALUE = value.Value(FIVE, None, None, FIVE, LEFT_OUT, True, 0.0)
NAMED = {
    "importance-weighted bound": lambda w, at: w.exp().mean(at).log(),
    "mean over samples": Tensor.mean,
    "sum over samples": Tensor.sum,
    "log of the sum of weights, not of their mean": Tensor.logsumexp,
    "log w averaged by its own weights": lambda w, at: (w.softmax(at) * w).sum(at),
    UNKNOWN: Tensor.amax,
}


def several(way, at, wide, constant=0.0):
    """Five times the mean of minus what ``way`` makes of log w, whose β is 3 and σ² is ¼."""

    def loss(x_hat, x, mu, h, z):
        x, mu, h = (t if wide else t.unsqueeze(at) for t in (x, mu, h))
        log_w = -4 * square(x_hat, x).sum(2) - 3 * sampled_kl(mu, h, z).sum(2)
        return -5 * way(log_w + constant, at).mean()

    layout = Layout((2,), samples=at, wide=wide)
    return probe(loss, "z"), Case(layout, batch=2, latents=2)


@pytest.mark.parametrize("wide", [False, True], ids=["x alone", "x for each sample"])
@pytest.mark.parametrize("at", [0, 1])
@pytest.mark.parametrize("name", NAMED)
def test_it_is_told_how_several_samples_are_put_together(name, at, wide):
    asked, case = several(NAMED[name], at, wide, 2.5)
    assert value.find_together(asked, case, GAUSSIAN, BY_SAMPLES, VALUE) == name


@pytest.mark.parametrize(("share", "name"), [(2e-4, "mean over samples"), (-5e-3, UNKNOWN)])
def test_samples_may_differ_from_a_name_by_rounding(share, name):
    def rounded(w, at):
        return w.mean(at) + share * (w.amax(at) - w.amin(at))

    asked, case = several(rounded, 0, False)
    assert value.find_together(asked, case, GAUSSIAN, BY_SAMPLES, VALUE) == name


def test_one_scale_of_the_decoder_is_that_of_every_sample_and_image():
    def loss(x_hat, x, mu, h, z, s):
        log_p = -(square(x_hat, x) / s**2 + s.log()).sum(2)
        return -(log_p - sampled_kl(mu, h, z).sum(2)).exp().mean(0).log().sum()

    p = Likelihood("Gaussian", True, ONE, "argument", "σ")
    d = Divergence(SAMPLED, "log σ²", 0.5, v=-0.5, g=-0.5, per_latent=ONE)
    v = value.Value(ONE, ONE, None, ONE, LEFT_OUT, True, 0.0)
    for single in (True, False):
        case = Case(Layout((2,), samples=0, single=single), batch=2, latents=2)
        found = value.find_together(probe(loss, "z", "scale"), case, p, d, v)
        assert found == "importance-weighted bound"
