"""Networks for tables: units, starts, holes, and the way through training."""

import math

import pytest
import torch
from torch import distributions as D
from torch import nn

from tests.cases import cases
from vaelib.distributions import Column, observed
from vaelib.exact import LinearGaussian
from vaelib.models import (
    KINDS,
    VAE,
    Beside,
    GaussianEncoder,
    Model,
    StandardNormal,
    TableDecoder,
    TableEncoder,
)  # fmt: skip
from vaelib.objectives import elbo, iwae, log_evidence
from vaelib.training import Checkpoint, Validation, evaluate, fit
from vaelib.validation import unexamined

TRUE = {
    "normal": D.Normal(1e6, 3e4),
    "categorical": D.Categorical(torch.tensor([0.7, 0.1, 0.2])),
    "laplace": D.Laplace(-5.0, 0.01),
    "student": D.StudentT(4.0, 2.0, 0.3),
    "log-normal": D.LogNormal(9.0, 2.0),
    "bernoulli": D.Bernoulli(0.03),
    "poisson": D.Poisson(300.0),
    "negative-binomial": D.NegativeBinomial(0.4, logits=torch.tensor(4.0)),
}
CLASSES = {"categorical": ("a", "b", "c")}
TABLE = [
    *(Column(kind, kind, CLASSES.get(kind)) for kind in TRUE),
    Column("second", "normal"),
    Column("coin", "categorical", ("heads", "tails")),
]


def rows(n):
    x = [p.sample((n,)) for p in TRUE.values()] + [torch.randn(n), torch.randint(0, 2, (n,))]
    return torch.stack(x, 1)


def holed(x, share=0.3):
    return x.masked_fill(torch.rand(x.shape) < share, torch.nan)


def vae(table=TABLE):
    torch.manual_seed(0)
    return VAE(StandardNormal(2), TableEncoder(table, [8], 2), TableDecoder(2, [8], table))


def test_a_decoder_starts_near_the_best_that_ignores_z_whatever_is_missing():
    assert set(TRUE) == set(KINDS)
    decoder, x = vae().decoder, rows(4000)
    decoder.start_at(holed(x))
    for parameter in decoder.network[-1].parameters():
        nn.init.zeros_(parameter)
    found = decoder(torch.zeros(2)).base_dist.log_prob(x).mean(0)
    best = [p.log_prob(v).mean() for p, v in zip(TRUE.values(), x.T, strict=False)]
    best += [torch.tensor(-0.5 * math.log(2 * math.pi * math.e)), torch.tensor(-math.log(2))]
    torch.testing.assert_close(found, torch.stack(best), atol=0.03, rtol=0)


def test_the_best_place_of_a_laplace_distribution_is_the_median():
    place, size = KINDS["laplace"].start(torch.tensor([0.0, torch.nan, 0, 0, 10])[:, None, None], 1)
    assert (place.item(), size.item()) == (0, 2.5)


@pytest.mark.parametrize("kind", ["normal", "laplace", "student", "log-normal"])
def test_another_unit_changes_the_density_by_its_logarithm_and_nothing_else(kind):
    x, z = holed(TRUE[kind].sample((50, 1)).double()), torch.randn(50, 2).double()
    one, other = (vae([Column("x", kind)]).double() for _ in range(2))
    one.start_at(x)
    other.start_at(1000 * x)
    torch.testing.assert_close(one.encode(x).mean, other.encode(1000 * x).mean)
    shift = one.decode(z).log_prob(x) - other.decode(z).log_prob(1000 * x)
    torch.testing.assert_close(shift, math.log(1000) * (~x[:, 0].isnan()).double())
    torch.testing.assert_close(1000 * one.decode(z).mean, other.decode(z).mean)


def test_an_encoder_sees_what_is_missing_as_the_mean_and_that_it_is_missing():
    kinds, nan, seen = ("normal", "categorical", "bernoulli", "poisson"), torch.nan, []
    table = [Column(kind, kind, ("a", "b")) for kind in kinds]
    encoder = TableEncoder(table, [], 1)
    encoder.start_at(torch.tensor([[1.0, 0, 0, 3], [3, 1, 1, nan], [nan, 0, 1, nan]]))
    encoder.network.register_forward_pre_hook(lambda network, given: seen.extend(given))
    encoder(torch.tensor([[4.0, 1, 1, 4.5], [nan, 0, 0, 1.75], [nan] * 4]))
    rows = [[2, 0, 1, 1, math.log(2), 1, 1, 1, 1], [0, 1, 0, -1, 0, 0, 1, 1, 1], [0] * 9]
    torch.testing.assert_close(seen[0], torch.tensor(rows, dtype=torch.float32))
    for network in (encoder, TableDecoder(4, [], table)):
        with pytest.raises(ValueError, match=r"^[xz] must have shape \(\.\.\., 4\), got \(2, 5\)"):
            network(torch.zeros(2, 5))


NAN, FULL = torch.full((20, 10), torch.nan), torch.ones(20, 10)


@pytest.mark.parametrize("x", [NAN, FULL, torch.cat([FULL[:1], NAN])], ids=["none", "same", "one"])
def test_columns_that_say_nothing_make_no_start_that_is_not_finite(x):
    model = vae()
    model.start_at(x)
    value = elbo(model, torch.cat([x, rows(5), NAN]))
    value.sum().backward()
    assert value.isfinite().all()
    assert all(p.grad.isfinite().all() for p in model.parameters())


def test_a_network_that_is_spoiled_is_named_and_stops_no_step_by_itself():
    model, x = vae(), rows(3)
    model.decoder.network[-1].bias.data[:] = torch.nan
    with pytest.raises(ValueError, match="the output of the decoder must be finite, got 60"):
        elbo(model, x)
    with unexamined():
        assert model.decode(torch.zeros(3, 2)).base_dist.log_prob(x).isnan().all()


def test_the_evidence_of_what_is_there_is_met_on_a_linear_model():
    W, b, sigma = torch.randn(4, 2).double(), torch.randn(4).double(), 0.5
    linear = LinearGaussian(W, b, sigma)
    x = holed(linear.decode(torch.randn(30, 2).double()).sample(), 0.4)
    seen = [(LinearGaussian(W[there], b[there], sigma), there) for there in ~x.isnan()]
    exact = torch.stack([p.log_evidence(v[there]) for v, (p, there) in zip(x, seen, strict=True)])

    def posterior(x):
        q = [p.encode(v[there]) for v, (p, there) in zip(x, seen, strict=True)]
        mean, tril = (torch.stack([getattr(p, a) for p in q]) for a in ("loc", "scale_tril"))
        return D.MultivariateNormal(mean, scale_tril=tril)

    model = Model(linear.prior, lambda z: observed(linear.decode(z)), posterior)
    torch.testing.assert_close(elbo(model, x, kl="sampled"), exact)
    torch.testing.assert_close(iwae(model, x, 3), exact)


def test_rows_with_holes_go_through_training_and_back(tmp_path):
    x = rows(300)
    x[:, 8] = (x[:, 0] - 1e6) / 3e4
    x[:, 4] = (9 + 2 * x[:, 8]).exp()
    x = holed(x, 0.1)
    whole, halves = vae(), vae()
    how = {"batch_size": 50, "learning_rate": 0.03, "progress": False}
    how["validation"] = Validation(holed(rows(40)))
    whole.start_at(x)
    before = evaluate(whole, x).elbo
    fit(whole, x, epochs=20, **how)
    assert evaluate(whole, x).elbo > before + 0.5
    halves.start_at(x)
    file = Checkpoint(tmp_path / "run.pt", resume=True)
    fit(halves, x, epochs=4, checkpoint=file, **how)
    halves = vae()  # a start is kept with the weights
    fit(halves, x, epochs=20, checkpoint=file, **how)
    torch.testing.assert_close(halves.state_dict(), whole.state_dict(), rtol=0, atol=0)
    other = vae([*TABLE[:8], Column("second", "laplace"), TABLE[9]])
    with pytest.raises(ValueError, match="belongs to a run with other settings: model was"):
        fit(other, x, epochs=20, checkpoint=file, **how)
    assert whole.decode(torch.zeros(2)).support.check(whole(x).sample()).all()
    assert log_evidence(whole, x[:5], 50).mean.isfinite().all()


@cases(
    ((3, 1), 3.0, r"outside the decoder's support, .*IntegerInterval.*NaN: 3 at \[1\] of a row"),
    ((3, 4), 0.0, r"x has values outside the decoder's support, .*: 0 at \[4\] of a row"),
    ((3, 0), torch.inf, "x must be finite, got 1 values that are not"),
)
def test_what_no_column_can_hold_is_refused(place, value, message):
    x = holed(rows(10))
    x[place] = value
    for run in (lambda: fit(vae(), x, epochs=1, progress=False), lambda: elbo(vae(), x)):
        with pytest.raises(ValueError, match=message):
            run()
    plain = VAE(StandardNormal(2), GaussianEncoder(10, [8], 2), TableDecoder(2, [8], TABLE))
    with pytest.raises(ValueError, match="x must be finite, got"):
        elbo(plain, x)  # whose encoder has no place for holes


def test_a_condition_beside_a_table_is_there_from_the_start():
    labels = [Column(f"class {k}", "bernoulli") for k in range(3)]
    encoder, decoder = TableEncoder([*TABLE, *labels], [8], 2), TableDecoder(2 + 3, [8], TABLE)
    model, x = VAE(StandardNormal(2), Beside(encoder), Beside(decoder)), holed(rows(20))
    model.start_at(x)
    plain = vae()
    plain.start_at(x)
    torch.testing.assert_close(decoder.place, plain.decoder.place)
    torch.testing.assert_close(encoder.place[:2], plain.encoder.place[:2])  # of normal columns
    assert elbo(model.given(torch.eye(3)[torch.arange(20) % 3]), x).isfinite().all()


@cases(
    ([], "a table needs a column"),
    ([Column("age", "gaussian")], "column 'age' must be normal, laplace, .*, got 'gaussian'"),
    ([Column("job", "categorical")], "column 'job' is categorical and needs the names"),
)
def test_what_is_no_table_is_refused(table, message):
    for make in (lambda: TableEncoder(table, [], 1), lambda: TableDecoder(1, [], table)):
        with pytest.raises(ValueError, match=message):
            make()
