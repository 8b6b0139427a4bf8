"""How a model draws with its heads, of models whose weights and noise are known."""

from collections import namedtuple
from math import sqrt

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from vaelib.audit import sampler
from vaelib.audit.binding import OPTIONAL, REQUIRED, Binding
from vaelib.audit.heads import READINGS
from vaelib.audit.probe import Probe
from vaelib.audit.sampler import OUTPUTS, Sampler, by_role, call

OWN = READINGS["log σ²"]
X = torch.linspace(-2, 2, 60).reshape(30, 2)
USUAL = READINGS["log σ²"]
PLUS = USUAL.plus(0.5, "σ²")


def probe(loss, *more, entry=None):
    return Probe(loss, Binding({role: i for i, role in enumerate(REQUIRED + more)}, {}), entry)


def loss(x_hat, x, mu, logvar):
    return (x_hat * x).sum() + mu.sum() + logvar.sum()


def find(model, asked=probe(loss), own=USUAL):  # noqa: B008
    return sampler.find_sampler(model, X, OUTPUTS, asked, own)


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
    ("sigma", "reading"),
    [
        (halved, "log σ²"),
        (lambda h: (-h / 2).exp(), "log 1/σ²"),
        (torch.exp, "log σ"),
        (lambda h: h, "σ"),
        (F.softplus, "softplus⁻¹ σ"),
        (lambda h: F.softplus(h).sqrt(), "softplus⁻¹ σ²"),
        (lambda h: F.elu(h) + 1, "elu⁻¹ (σ − 1)"),
        (lambda h: (h / 5).exp(), None),
        (lambda h: (h.clamp(-1.5, 1.5) / 2).exp(), "log σ²"),
        (lambda h: (h.exp() + 0.5).sqrt(), PLUS.name),
    ],
)
def test_readings_are_those_that_the_draws_fit(few, sigma, reading):
    told = find(Model(sigma), own=PLUS)
    assert told == Sampler((reading,) if reading else (), draws=True, probabilities=False)
    assert told.agrees(reading or "log σ²") is bool(reading)


def test_a_head_that_is_the_variance_is_told(few):
    class Positive(Model):
        def forward(self, x):
            mu, h = self.a * x, (self.b * x).exp()
            return mu + h.sqrt() * torch.randn_like(mu), mu, h

    assert find(Positive(None)).readings == ("σ²",)


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
    told = find(model)
    assert (told.draws, told.probabilities) == (kind != "still", probabilities)
    assert told.unreached == ("idle",)
    assert (told.readings is None) == (kind != "drawn")


def test_the_model_and_the_noise_are_left_as_they_were(few):
    model = Model(halved)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    told = find(model)
    assert torch.equal(torch.get_rng_state(), before)
    assert (model.a.item(), model.b.item(), model.a.dtype) == (0.5, 1.0, torch.float32)
    assert model.a.grad is None
    assert told.readings == ("log σ²",)


ONE, TWO, THREE = torch.ones(1), torch.ones(2), torch.ones(3)
ROLES = dict(zip(OUTPUTS, (ONE, TWO, THREE), strict=True))
Named = namedtuple("Named", "z_mean log_var recon_x loss")


@pytest.mark.parametrize(
    ("result", "told"),
    [
        ((ONE, TWO, THREE), None),
        ((ONE, (TWO, THREE)), None),
        ([TWO, ONE, None, THREE], ("mu", "x_hat", "_", "logvar")),
        ({"mu": TWO, "logvar": THREE, "recon": ONE}, None),
        ({"loss": None, "x": None, "recon": ONE, "sigma": THREE, "mean": TWO}, None),
        ({"a": ONE, "b": TWO, "c": THREE}, OUTPUTS),
        (Named(TWO, THREE, ONE, 0), None),
    ],
)
def test_outputs_are_read_by_their_names_or_in_their_order(result, told):
    found = by_role(result, told)
    assert all(found[role] is value for role, value in ROLES.items())


@pytest.mark.parametrize(
    ("result", "told", "what"),
    [
        ((ONE, TWO), None, "2 values"),
        (ONE, None, "0 values"),
        ((ONE, TWO, 3), None, "3 values"),
        ((ONE, TWO, THREE), ("x_hat", "mu", "z"), "3 values"),
        ({"mu": TWO, "logvar": THREE}, None, "mu, logvar"),
        ({"recon": ONE, "mu": TWO, "loss": THREE}, None, "recon, mu, loss"),
        ({"recon": ONE, "logits": ONE, "mu": TWO, "std": THREE}, None, "recon, logits, mu, std"),
        ({"a": ONE, "b": TWO, "c": THREE}, None, "a, b, c"),
    ],
)
def test_other_outputs_are_refused(result, told, what):
    with pytest.raises(ValueError, match="module must return") as raised:
        by_role(result, told)
    assert str(raised.value) == (
        f"the module must return {', '.join(told or OUTPUTS)}, and returns {what}: tell all in "
        "their order, such as audit(loss, outputs=('x_hat', 'x', 'mu', 'logvar'))"
    )


@pytest.mark.parametrize("take", [lambda i: i["data"], lambda i: i.get("x"), lambda i: i + 0])
def test_images_are_given_as_such_or_in_a_mapping(take):
    class Module(nn.Module):
        def forward(self, inputs):
            return take(inputs), TWO, THREE

    assert torch.equal(call(Module(), X, None)["x_hat"], X)


def test_a_module_that_does_not_run_says_what_it_raised():
    with pytest.raises(ValueError, match=r"ran on no images of \(30, 2\): RuntimeError"):
        call(nn.Linear(3, 3), X, None)


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
    assert find(Parts(), asked).unreached == unreached


@pytest.mark.parametrize(("draws", "numbers"), [(1000, 600), (10, 1000)])
def test_draws_end_with_enough_numbers(monkeypatch, draws, numbers):
    monkeypatch.setattr(sampler, "DRAWS", draws)
    monkeypatch.setattr(sampler, "ENOUGH", numbers)
    model, calls = Model(halved), []
    model.end = lambda z: calls.append(1) or z
    spread = sampler.spread(model, X, OUTPUTS)
    calls.clear()
    assert sampler._readings(spread, X, OUTPUTS, READINGS) == ("log σ²",)
    assert len(calls) == 10
