import copy
import math
import re
from functools import partial

import numpy as np
import pytest
import torch
from torch.nn.utils import parameters_to_vector as vector
from torch.optim import SGD
from torch.utils.data import DataLoader

from tests.cases import refused
from vaelib.divergence import kl, kl_by_coordinate
from vaelib.exact import LinearGaussian
from vaelib.gradients import elbo_score_function
from vaelib.models import (
    PRIORS,
    VAE,
    BernoulliDecoder,
    Codebook,
    GaussianDecoder,
    GaussianEncoder,
    OneHots,
    StandardNormal,
    SymbolEncoder,
    SymbolPrior,
)
from vaelib.objectives import ELBO, elbo, elbo_terms, iwae
from vaelib.training import Averaging, Checkpoint, History, Steps, Validation, evaluate, fit


def small_vae(seed=0, decoder=None):
    torch.manual_seed(seed)
    decoder = decoder or GaussianDecoder(2, [4], 3, sigma=0.5)
    return VAE(StandardNormal(2), GaussianEncoder(3, [4], 2), decoder).double()


def with_prior(name, seed=0):
    model = small_vae(seed)
    model.prior_module = PRIORS[name](model.encoder, X[:1], 2, 3).double()
    model.start_at(X)
    return model


def coins(seed=0):
    torch.manual_seed(seed)
    return small_vae(seed, BernoulliDecoder(2, [4], 3))


BOOKS = []


def symbols(alphabet, seed=0):
    torch.manual_seed(seed)
    letters = alphabet()
    encoder = SymbolEncoder(3, [4], 2, letters)
    decoder = BernoulliDecoder((2, letters.width), [4], 3)
    model = VAE(SymbolPrior(letters, 2), encoder, decoder).double()
    model.start_at(GREY)
    BOOKS.append(letters)
    return model


def averaging(parameters, lr):
    (book,) = (b for b in BOOKS[-9:] if any(p is b.codes for p in parameters))
    return Averaging(parameters, lr, book, decay=0.9)


def falling(epoch):
    return 0.01 / (1 + epoch)


X = torch.randn(50, 3, generator=torch.Generator().manual_seed(0)).double()
GREY = X.sigmoid()
LABELS = torch.eye(4).double()[torch.arange(50) % 4]
SCORE = {"objective": elbo_score_function, "validation": GREY[:9].round()}
AVERAGED = {"learning_rate": Steps(optimizer=averaging)}
RUNS = {
    "plain": (small_vae, X, {}),
    "several samples": (small_vae, X, {"objective": ELBO(3, "sampled", 0.5)}),
    "importance weights": (small_vae, X, {"objective": partial(iwae, samples=4)}),
    "free bits": (small_vae, X, {"objective": ELBO(free_bits=0.3)}),
    "rows in order": (small_vae, X, {"learning_rate": Steps(shuffle=False)}),
    "a falling step size": (small_vae, X, {"learning_rate": falling}),
    "pixels drawn": (coins, GREY, {"binarise": True, "validation": GREY[:20]}),
    "bytes": (coins, GREY.mul(255).to(torch.uint8), {"binarise": True}),
    **{n: (partial(with_prior, n), X, {"validation": X[:9]}) for n in [*PRIORS][1:]},
    "symbols by score": (partial(symbols, partial(OneHots, 3)), GREY.round(), SCORE),
    "a codebook": (partial(symbols, partial(Codebook, 4, 2)), GREY.round(), AVERAGED),
    "patience": (small_vae, X, {"validation": Validation(X[:9], 1), "learning_rate": 0.05}),
}


def train(model, x=X, epochs=2, **settings):
    settings = {"batch_size": 16, "progress": False} | settings
    return fit(model, x, epochs=epochs, **settings)


def parameters(model):
    return vector(model.parameters()).detach().clone()


def seen_by_the_encoder(model, x, **settings):
    """Every minibatch that the encoder saw, with whether the model was in training mode."""
    seen = []
    hook = model.encoder.register_forward_hook(
        lambda m, args, q: seen.append((m.training, args[0]))
    )
    train(model, x, **settings)
    hook.remove()
    return seen


@pytest.mark.parametrize("shuffle", [True, False])
def test_rows_come_in_another_order_each_epoch_unless_that_is_refused(shuffle):
    seen = seen_by_the_encoder(small_vae(), X, learning_rate=Steps(shuffle=shuffle))
    epochs = [torch.cat([x for _, x in part]) for part in (seen[:4], seen[4:])]
    for epoch in epochs:
        assert torch.equal(epoch, X) is not shuffle
        assert torch.equal(epoch.sort(0).values, X.sort(0).values)
    assert torch.equal(*epochs) is not shuffle


def test_the_seed_decides_everything():
    first, again, other = (small_vae() for _ in range(3))
    histories = [train(m, seed=seed) for m, seed in ((first, 1), (again, 1), (other, 2))]
    assert histories[0] == histories[1]
    assert torch.equal(parameters(first), parameters(again))
    assert histories[0] != histories[2]
    assert not torch.equal(parameters(first), parameters(other))


def test_the_global_random_state_does_not_matter_and_does_not_change():
    models = small_vae(), small_vae()
    for i, model in enumerate(models):
        torch.manual_seed(i)
        before = torch.random.get_rng_state()
        train(model)
        assert torch.equal(before, torch.random.get_rng_state())
    assert torch.equal(*(parameters(model) for model in models))


@pytest.mark.parametrize("mode", [True, False])
def test_mode_requires_grad_and_gradients_are_left_as_they_were(mode):
    model = small_vae().train(mode)
    model.encoder.network[0].weight.requires_grad_(False)
    frozen = model.encoder.network[0].weight.clone()
    flags = [p.requires_grad for p in model.parameters()]
    seen = seen_by_the_encoder(model, X, validation=X)
    evaluate(model, X, ELBO(samples=5))
    assert {training for training, _ in seen} == {True, False}
    assert model.training is mode
    assert [p.requires_grad for p in model.parameters()] == flags
    assert all(p.grad is None for p in model.parameters())
    assert torch.equal(model.encoder.network[0].weight, frozen)


def test_the_mode_comes_back_after_an_error():
    model = small_vae().eval()
    before = torch.random.get_rng_state()
    with pytest.raises(ValueError, match="grey values must lie in"):
        train(model, binarise=True)
    assert not model.training
    assert torch.equal(before, torch.random.get_rng_state())


def test_an_epochs_averages_are_those_of_the_data():
    model, drawn = small_vae(), []
    model.decoder.register_forward_hook(lambda m, args, p: drawn.append(args[0].shape))
    how = {"learning_rate": 1e-14, "batch_size": 50, "validation": X[:20]}
    history = train(model, objective=ELBO(samples=200), **how)
    assert [shape for shape in drawn if len(shape) == 3] == [(200, 50, 2), (200, 20, 2)] * 2
    exact = kl(model.encode(X), model.prior).mean().item()
    terms = history.train[0]
    assert [t.kl for t in history.train] == pytest.approx([exact] * 2, rel=1e-9)
    assert terms.elbo == pytest.approx(terms.reconstruction - terms.kl, rel=1e-12)
    values = elbo_terms(model, X.expand(2000, 50, 3))[0].mean(1)
    assert abs(terms.reconstruction - values.mean()) < 6 * values.std() / math.sqrt(200)
    validated = kl(model.encode(X[:20]), model.prior).mean().item()
    assert [t.kl for t in history.validation] == pytest.approx([validated] * 2, rel=1e-9)
    sampled = train(model, objective=ELBO(samples=3, kl="sampled"), **how).train[0].kl
    assert sampled != pytest.approx(terms.kl, rel=1e-6)


@pytest.mark.parametrize("batch_size", [1, 16, 50, 64])
@pytest.mark.parametrize("objective", [ELBO(), ELBO(free_bits=1e-9)])
def test_every_datum_counts_once_whatever_the_batch_size(batch_size, objective):
    model, how = small_vae(), {"batch_size": batch_size, "learning_rate": 1e-14, "epochs": 1}
    exact = pytest.approx(kl(model.encode(X), model.prior).mean().item())
    assert train(model, objective=objective, **how).train[0].kl == exact
    assert evaluate(model, X, batch_size=batch_size).kl == exact
    seen = [rows for _, rows in seen_by_the_encoder(model, X, objective=objective, **how)]
    assert [len(rows) for rows in seen[:-1]] == [batch_size] * (math.ceil(50 / batch_size) - 1)
    assert torch.equal(torch.cat(seen).sort(0).values, X.sort(0).values)


def learned(model):
    return [p for p in model.parameters() if p.requires_grad]


def test_one_step_follows_the_gradient_of_the_mean_elbo():
    model, kept = small_vae(), []
    moved = copy.deepcopy(model)
    steps = Steps(0.1, lambda parameters, lr: kept.append(lr) or SGD(parameters, lr=lr))
    how = {"epochs": 1, "batch_size": 50, "learning_rate": steps}
    train(moved, objective=ELBO(samples=4000), **how)
    expected = 0.1 * vector(torch.autograd.grad(elbo(model, X, 4000).mean(), learned(model)))
    assert kept == [0.1]
    step = vector(learned(moved)) - vector(learned(model))
    assert (step - expected).norm() < 0.05 * expected.norm()


@pytest.mark.parametrize("objective", [ELBO(), ELBO(beta=7.0), ELBO(free_bits=3.0)])
def test_no_weight_of_the_kl_changes_what_is_reported(objective):
    model = small_vae()
    terms = train(model, learning_rate=1e-14, objective=objective, validation=X, epochs=1)
    for t in terms.train + terms.validation:
        assert t.elbo == pytest.approx(t.reconstruction - t.kl, rel=1e-12)
        assert t.kl == pytest.approx(kl(model.encode(X), model.prior).mean().item())


def test_free_bits_count_for_each_coordinate_by_the_average_of_the_minibatch():
    model, start = small_vae(), small_vae()
    by_coordinate = kl_by_coordinate(start.encode(X), start.prior).mean(0)
    objective = ELBO(free_bits=by_coordinate.mean().item())
    how = {"epochs": 1, "batch_size": 50, "learning_rate": Steps(1.0, SGD)}
    train(model, objective=objective, **how)
    torch.manual_seed(0)
    reconstruction = elbo_terms(start, X[torch.randperm(50)])[0].mean()
    slopes = torch.autograd.grad(reconstruction - by_coordinate.max(), learned(start))
    moved = vector(learned(model)) - vector(learned(start))
    assert torch.allclose(moved, vector(slopes), atol=1e-9)


def test_a_schedule_for_beta_gets_the_epochs_from_zero_and_is_followed():
    epochs, constant, scheduled = [], small_vae(), small_vae()
    train(scheduled, epochs=3, objective=ELBO(beta=lambda epoch: epochs.append(epoch) or 5.0))
    train(constant, epochs=3, objective=ELBO(beta=5.0))
    assert epochs == [0, 1, 2]
    assert torch.equal(parameters(constant), parameters(scheduled))


def test_pixels_are_drawn_afresh_each_epoch_and_validation_pixels_once():
    how = {"binarise": True, "batch_size": 50, "epochs": 3, "validation": GREY}
    seen = seen_by_the_encoder(coins(), GREY, **how)
    training, validation = ([rows for mode, rows in seen if mode is kind] for kind in (True, False))
    assert (len(training), len(validation)) == (3, 3)
    assert all(((rows == 0) | (rows == 1)).all() for _, rows in seen)
    assert all(torch.equal(validation[0], rows) for rows in validation)
    assert len({rows.sum().item() for rows in training}) > 1
    assert not torch.equal(training[0].sort(0).values, validation[0].sort(0).values)


SHAPE = r"must be floating point or bytes, of shape \(examples, observed\)"
SETTINGS = [
    ({"epochs": 0}, "epochs must be a whole number of at least 1, got 0"),
    ({"epochs": 1.5}, "epochs must be a whole number"),
    ({"batch_size": 0}, "batch_size must be a whole number of at least 1, got 0"),
    ({"learning_rate": 0.0}, "learning_rate must be positive, got 0"),
    ({"learning_rate": math.nan}, "learning_rate must be positive"),
    ({"x": X[0]}, rf"x {SHAPE}, got torch.float64 \(3,\)$"),
    ({"x": X[:0].numpy()}, rf"x {SHAPE}, got torch.float64 \(0, 3\)$"),
    ({"x": X.numpy().astype("i4")}, rf"x {SHAPE}, got torch.int32 \(50, 3\)$"),
    ({"x": X * math.nan}, "x must be finite"),
    ({"validation": X[0]}, f"validation {SHAPE}"),
    ({"validation": X[:0]}, f"validation {SHAPE}"),
    ({"binarise": True}, "grey values must lie in"),
    ({"epochs": 3, "learning_rate": lambda epoch: 0.1 * (2 - epoch)}, "rate must be .*, got 0"),
    ({"learning_rate": Steps(lambda n: -n, by_step=True)}, "rate must be .*, got 0"),
    ({"clip": 0.0}, "clip must be positive and finite, got 0"),
    ({"given": LABELS[:7]}, "given has 7 rows, but x has 50"),
    ({"given": LABELS, "validation": X}, "given must be there for x and for validation"),
    ({"x": DataLoader([0])}, "^x must .* got DataLoader; of a DataLoader pass its dat"),
    ({"x": {1, 2}}, "a Dataset with a length and items by number, got set"),
    ({"x": []}, "got list"),
    ({"x": [("a picture", 4)]}, r"must give tensors .*, got str for item 0: .* ToTensor\(\)"),
    ({"x": np.zeros((9, 1, 3, 3)), "epochs": 1}, r"x must have shape \(examples, 3\) .* 1, 3, 3\)"),
]


@pytest.mark.parametrize(("settings", "message"), SETTINGS)
def test_bad_settings_raise_by_name(settings, message):
    with pytest.raises(ValueError, match=message):
        train(small_vae(), **settings)
    if settings.keys() <= {"batch_size", "x"}:
        with pytest.raises(ValueError, match=message):
            evaluate(small_vae(), **({"x": X} | settings))


FEW = r"must be a whole number of at least 1, got 0$"
BITS = "free_bits must be at least 0 and finite, got"
SECONDS = "^every must be a number of seconds, got"
EACH = r"objective must return a value for each example, of shape \(16,\), got"
test_what_cannot_be_is_refused_by_name = refused(
    (lambda: ELBO(samples=0), f"samples {FEW}"),
    (lambda: ELBO(kl="closed"), "kl must be 'exact' or 'sampled'"),
    (lambda: ELBO(free_bits=-0.1), f"{BITS} -0.1"),
    (lambda: ELBO(free_bits=math.nan), f"{BITS} nan"),
    (lambda: ELBO(free_bits=math.inf), f"{BITS} inf"),
    (lambda: ELBO(free_bits=0.1, kl="sampled"), "needs a KL in closed form, got kl='sampled'"),
    (lambda: Checkpoint("run.pt", every=-1), f"{SECONDS} -1$"),
    (lambda: Checkpoint("run.pt", every=math.nan), f"{SECONDS} nan$"),
    (lambda: Validation(X, patience=0), f"patience {FEW}"),
    (lambda: History().best, "no validation data"),
    (lambda: train(coins(), GREY), "binarise=True"),
    (lambda: train(small_vae().requires_grad_(False)), "^the model has no parameters to learn$"),
    (lambda: train(small_vae(), objective=lambda m, x: x.mean()), rf"{EACH} \(\)"),
    (lambda: train(small_vae(), objective=lambda m, x: x), rf"{EACH} \(16, 3\)"),
)


def test_a_bar_shows_only_in_a_terminal_and_unless_it_is_not_wanted(capsys, monkeypatch):
    fit(small_vae(), X, epochs=2)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    train(small_vae())
    assert capsys.readouterr().err == ""
    fit(small_vae(), X, epochs=2, validation=X)
    shown = capsys.readouterr().err
    assert "image/s" in shown
    assert re.search(r"epoch=2, train=-\d+\.\d\d, validation=-\d+\.\d\d", shown)


def most_likely(x, latent):
    """The linear model of the highest evidence of x, by the formula of Tipping and Bishop."""
    values, vectors = torch.linalg.eigh(x.T.cov(correction=0))
    noise = values[:-latent].mean()
    W = vectors[:, -latent:] * (values[-latent:] - noise).sqrt()
    return LinearGaussian(W, x.mean(0), noise.sqrt())


def test_a_linear_vae_finds_the_maximum_likelihood_of_ppca():
    W = torch.tensor([[2.0, 0.0], [1.0, 1.0], [0.0, -1.5], [0.5, 0.5]]).double()
    truth = LinearGaussian(W, torch.tensor([1.0, 0.0, -1.0, 2.0]).double(), 0.6)
    x = truth.decode(truth.prior.sample((1000,))).sample()
    decoder = GaussianDecoder(2, [], 4, sigma=1.0, learn_sigma=True)
    model = VAE(StandardNormal(2), GaussianEncoder(4, [], 2), decoder).double()
    train(model, x, epochs=40, batch_size=50, learning_rate=2e-2)
    train(model, x, epochs=40, batch_size=100, learning_rate=1e-3, objective=ELBO(samples=10))
    best = most_likely(x, 2)
    highest = best.log_evidence(x).mean().item()
    (layer,) = model.decoder.network
    with torch.no_grad():
        learned = LinearGaussian(layer.weight, layer.bias, model.decoder.sigma)
        evidence = learned.log_evidence(x).mean().item()
    assert highest - 0.01 < evidence <= highest + 1e-9
    bound = evaluate(model, x, ELBO(samples=500, kl="sampled")).elbo
    assert highest - 0.02 < bound < highest + 1e-3
    assert model.decoder.sigma.item() == pytest.approx(best.sigma.item(), rel=0.02)
