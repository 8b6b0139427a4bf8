"""How a model draws with its heads, of models whose weights and noise are known."""

from collections import namedtuple

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.cases import cases
from vaelib.audit import sampler
from vaelib.audit.binding import OPTIONAL, REQUIRED, Binding
from vaelib.audit.heads import READINGS
from vaelib.audit.probe import Probe
from vaelib.audit.sampler import OUTPUTS, Sampler, by_role, call

OWN = READINGS["log σ²"]
X = torch.linspace(-2, 2, 60).reshape(30, 2)
USUAL = READINGS["log σ²"]
PLUS = USUAL.plus(0.5, 2)


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


@cases(
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
)
def test_readings_are_those_that_the_draws_fit(sigma, reading):
    told = find(Model(sigma), own=PLUS)
    assert told == Sampler((reading,) if reading else (), draws=True, probabilities=False)
    assert told.agrees(reading or "log σ²") is bool(reading)


def test_a_head_that_is_the_variance_is_told():
    class Positive(Model):
        def forward(self, x):
            mu, h = self.a * x, (self.b * x).exp()
            return mu + h.sqrt() * torch.randn_like(mu), mu, h

    assert find(Positive(None)).readings == ("σ²",)


def test_noise_that_is_not_normal_leaves_the_reading_open():
    class Uniform(Model):
        def forward(self, x):
            mu, h = self.a * x, self.b * x
            return mu + h.exp() * (torch.rand_like(mu) - 0.5), mu, h

    assert find(Uniform(None)).readings is None


class Apart(Model):
    def forward(self, x):
        x_hat, mu, h = super().forward(x)
        return x_hat, mu.clone(), h.clone()


@cases(
    (lambda z: z.clamp(0, 1), True),
    (torch.sigmoid, True),
    (lambda z: -z.sigmoid() / 1e3, False),
    (lambda z: z.sigmoid() / 1e3 + 1, False),
    (lambda z: z.sign() / 2 + 0.5 * z, False),
    ids=["0 and 1", "between", "below", "above", "on both sides"],
)
@pytest.mark.parametrize("kind", ["drawn", "apart", "still"])
def test_all_of_x_hat_must_lie_between_0_and_1(kind, end, probabilities):
    sigma = torch.zeros_like if kind == "still" else torch.exp
    model = (Apart if kind == "apart" else Model)(sigma, end)
    model.idle = nn.Parameter(torch.ones(()))
    told = find(model)
    assert (told.draws, told.probabilities) == (kind != "still", probabilities)
    assert told.unreached == ("idle",)
    assert (told.readings is None) == (kind != "drawn")


def test_the_model_and_the_noise_are_left_as_they_were():
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


@cases(
    ((ONE, TWO, THREE), None),
    ((ONE, (TWO, THREE)), None),
    ([TWO, ONE, None, THREE], ("mu", "x_hat", "_", "logvar")),
    ({"mu": TWO, "logvar": THREE, "recon": ONE}, None),
    ({"loss": None, "x": None, "recon": ONE, "sigma": THREE, "mean": TWO}, None),
    ({"a": ONE, "b": TWO, "c": THREE}, OUTPUTS),
    (Named(TWO, THREE, ONE, 0), None),
)
def test_outputs_are_read_by_their_names_or_in_their_order(result, told):
    found = by_role(result, told)
    assert all(found[role] is value for role, value in ROLES.items())


@cases(
    ((ONE, TWO), None, "2 values"),
    (ONE, None, "1 values"),
    ((ONE, TWO, 3), None, "3 values"),
    ((ONE, TWO, THREE), ("x_hat", "mu", "z"), "3 values"),
    ({"mu": TWO, "logvar": THREE}, None, "mu, logvar"),
    ({"recon": ONE, "mu": TWO, "loss": THREE}, None, "recon, mu, loss"),
    ({"recon": ONE, "logits": ONE, "mu": TWO, "std": THREE}, None, "recon, logits, mu, std"),
    ({"a": ONE, "b": TWO, "c": THREE}, None, "a, b, c"),
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


@cases(
    (probe(loss), ("idle",)),
    (probe(lambda p, x, m, h: p.detach().sum() + m.sum()), ("p", "h", "idle")),
    (probe(lambda *i: torch.tensor(loss(*i).item())), ("p", "m", "h", "idle")),
    (probe(lambda *i: (i[0].sum(), loss(*i)), entry=0), ("m", "h", "idle")),
    (probe(lambda *i: {"a": i[0].sum(), "b": i[2]}, entry=("a", "b")), ("h", "idle")),
    (probe(refused), ()),
    *((probe(lambda *i: loss(*i[:4]), role), ()) for role in OPTIONAL),
    ids=["all", "mu alone", "a number", "one entry", "two entries", "refused", *OPTIONAL],
)
def test_parameters_that_the_loss_does_not_reach_are_named(asked, unreached):
    assert find(Parts(), asked).unreached == unreached
