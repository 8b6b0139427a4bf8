"""How a model draws with its heads, of models whose weights and noise are known."""

from math import sqrt

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from vaelib.audit import sampler
from vaelib.audit.binding import OPTIONAL, REQUIRED, Binding
from vaelib.audit.probe import Probe
from vaelib.audit.sampler import Sampler

OUTPUTS = ("x_hat", "mu", "logvar")
X = torch.linspace(-2, 2, 60).reshape(30, 2)


def probe(loss, *more, entry=None):
    return Probe(loss, Binding({role: i for i, role in enumerate(REQUIRED + more)}, {}), entry)


def loss(x_hat, x, mu, logvar):
    return (x_hat * x).sum() + mu.sum() + logvar.sum()


class Model(nn.Module):
    """μ = a x and h = b x, drawn with σ(h), and x̂ = end(z)."""

    def __init__(self, sigma, end=lambda z: z + 3):
        super().__init__()
        self.sigma, self.end = sigma, end
        self.a, self.b = nn.Parameter(torch.tensor(0.5)), nn.Parameter(torch.ones(()))

    def forward(self, x):
        mu, h = self.a * x, self.b * x
        return self.end(mu + self.sigma(h) * torch.randn_like(mu)), mu, h


def halved(h):
    return (h / 2).exp()


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(sampler, "DRAWS", 60)


@pytest.mark.parametrize(
    ("sigma", "readings"),
    [
        (halved, ("log σ²",)),
        (torch.exp, ("log σ",)),
        (lambda h: h, ("σ",)),
        (F.softplus, ("softplus⁻¹ σ",)),
        (lambda h: (h / 5).exp(), ()),
    ],
)
def test_readings_are_those_that_the_draws_fit(few, sigma, readings):
    told = sampler.find_sampler(Model(sigma), X, OUTPUTS, probe(loss))
    assert told == Sampler(readings, draws=True, probabilities=False)


def test_a_head_that_is_the_variance_is_told(few):
    class Positive(Model):
        def forward(self, x):
            mu, h = self.a * x, (self.b * x).exp()
            return mu + h.sqrt() * torch.randn_like(mu), mu, h

    told = sampler.find_sampler(Positive(None), X, OUTPUTS, probe(loss))
    assert told.readings == ("σ²",)


class Apart(Model):
    def forward(self, x):
        x_hat, mu, h = super().forward(x)
        return x_hat, mu.clone(), h.clone()


@pytest.mark.parametrize(
    ("end", "probabilities"),
    [
        (lambda z: z.clamp(0, 1), True),
        (torch.sigmoid, True),
        (lambda z: -z.sigmoid() / 1e3, False),
        (lambda z: z.sigmoid() / 1e3 + 1, False),
        (lambda z: z.sign() / 2 + 0.5 * z, False),
    ],
    ids=["0 and 1", "between", "below", "above", "on both sides"],
)
@pytest.mark.parametrize("kind", ["drawn", "apart", "still"])
def test_all_of_x_hat_must_lie_between_0_and_1(few, end, probabilities, kind):
    sigma = torch.zeros_like if kind == "still" else torch.exp
    model = (Apart if kind == "apart" else Model)(sigma, end)
    model.idle = nn.Parameter(torch.ones(()))
    told = sampler.find_sampler(model, X, OUTPUTS, probe(loss))
    assert (told.draws, told.probabilities) == (kind != "still", probabilities)
    assert told.unreached == ("idle",)
    assert (told.readings is None) == (kind != "drawn")


def test_the_model_and_the_noise_are_left_as_they_were(few):
    model = Model(halved)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    told = sampler.find_sampler(model, X, OUTPUTS, probe(loss))
    assert torch.equal(torch.get_rng_state(), before)
    assert (model.a.item(), model.b.item(), model.a.dtype) == (0.5, 1.0, torch.float32)
    assert model.a.grad is None
    assert told.readings == ("log σ²",)


@pytest.mark.parametrize("result", [(1, 2), torch.ones(3), {"x_hat": 1}], ids=["2", "one", "1"])
def test_other_outputs_are_refused(result):
    with pytest.raises(ValueError, match="module must return") as raised:
        sampler.by_role(result, OUTPUTS)
    assert str(raised.value) == "the module must return x_hat, mu, logvar; tell outputs=(…)"


class Scaled(nn.Module):
    """h = w x, with x = ∓1."""

    def __init__(self, w):
        super().__init__()
        self.w = nn.Parameter(torch.tensor(w, dtype=torch.float64))

    def forward(self, x):
        return x, x, self.w * x


SIGNS = torch.tensor([-1.0, 1.0]).repeat(5)[:, None].double()


@pytest.mark.parametrize(
    ("w", "spread"),
    [(1, 1), (0.3, 0.6), (0.2, 0.8), (0.1, 0.4), (20.5, 15.375), (25, 18.75), (30, 15), (60, 15)],
)
def test_weights_are_scaled_until_the_head_takes_both_signs(w, spread):
    module = Scaled(w)
    told = sampler.spread(module, SIGNS, OUTPUTS)
    assert told.w.item() == pytest.approx(spread)
    assert module.w.item() == w


def test_weights_that_reach_too_far_whatever_their_share_are_left_out():
    assert sampler.spread(Scaled(1000), SIGNS, OUTPUTS).w.item() == 0


def alike(count, square=1.0):
    """As many numbers of this square, times a slope that grows with h."""
    h = torch.linspace(-1, 1, count).double()
    return torch.full((count,), sqrt(square)).double() * h.exp(), h, h.exp()


@pytest.mark.parametrize(
    ("count", "square", "explained"),
    [
        (300, 1, True),
        (297, 1, False),
        (300, 1.84, True),
        (300, 1.86, False),
        (300, 0.16, True),
        (300, 0.14, False),
        (600_000, 1.019, True),
        (600_000, 1.021, False),
        (600_000, 0.981, True),
    ],
)
def test_noise_must_be_standard_to_six_errors_or_two_percent(count, square, explained):
    assert sampler.explains(*alike(count, square)) is explained


def test_noise_must_be_standard_for_small_and_large_heads_alike():
    noise, h, slope = alike(3000)
    part = torch.linspace(-1.5, 1.5, 3000).round()
    for middle in (0.2, 1.8):
        uneven = torch.where(part == 0, middle, 1.5 - middle / 2).sqrt()
        assert (uneven**2).mean() == pytest.approx(1, abs=1e-3)
        assert not sampler.explains(noise * uneven, h, slope)
        assert not sampler.explains((noise * uneven).flip(0), h.flip(0), slope.flip(0))


def test_quotients_that_are_not_finite_are_left_out():
    noise, h, slope = (part.reshape(10, 90) for part in alike(900))
    noise[::5] = torch.nan
    noise[1] = torch.inf
    assert sampler.explains(noise, h, slope)
    noise[:4] = torch.nan
    assert not sampler.explains(noise, h, slope)


class Parts(nn.Module):
    """One parameter for each output, one that is not used and one that is not trained."""

    def __init__(self):
        super().__init__()
        for name in ("p", "m", "h", "idle", "held"):
            setattr(self, name, nn.Parameter(torch.ones(1), requires_grad=name != "held"))

    def forward(self, x):
        return self.p * x * self.held, self.m * x, self.h * x


def refused(x_hat, x, mu, logvar):
    raise RuntimeError("not with these")


@pytest.mark.parametrize(
    ("asked", "unreached"),
    [
        (probe(loss), ("idle",)),
        (probe(lambda p, x, m, h: p.detach().sum() + m.sum()), ("p", "h", "idle")),
        (probe(lambda *i: torch.tensor(loss(*i).item())), ("p", "m", "h", "idle")),
        (probe(lambda *i: (i[0].sum(), loss(*i)), entry=0), ("m", "h", "idle")),
        (probe(lambda *i: {"a": i[0].sum(), "b": i[2]}, entry=("a", "b")), ("h", "idle")),
        (probe(refused), ()),
        *((probe(lambda *i: loss(*i[:4]), role), ()) for role in OPTIONAL),
    ],
    ids=["all", "mu alone", "a number", "one entry", "two entries", "refused", *OPTIONAL],
)
def test_parameters_that_the_loss_does_not_reach_are_named(few, asked, unreached):
    assert sampler.find_sampler(Parts(), X, OUTPUTS, asked).unreached == unreached
