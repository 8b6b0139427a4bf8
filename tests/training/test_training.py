import copy
import math
import re
from functools import partial

import pytest
import torch
from torch import nn
from torch.distributions import Independent, StudentT
from torch.optim import SGD

from vaelib.divergence import kl, kl_by_coordinate
from vaelib.exact import LinearGaussian
from vaelib.models import VAE, BernoulliDecoder, GaussianDecoder, GaussianEncoder, StandardNormal
from vaelib.objectives import ELBO, Terms, elbo, elbo_terms, iwae
from vaelib.training import Checkpoint, Steps, Validation, evaluate, fit


def small_vae(seed=0, decoder=None):
    torch.manual_seed(seed)
    decoder = decoder or GaussianDecoder(2, [4], 3, sigma=0.5)
    return VAE(StandardNormal(2), GaussianEncoder(3, [4], 2), decoder).double()


def coins(seed=0):
    torch.manual_seed(seed)
    return small_vae(seed, BernoulliDecoder(2, [4], 3))


def falling(epoch):
    return 0.01 / (1 + epoch)


X = torch.randn(50, 3, generator=torch.Generator().manual_seed(0)).double()
GREY = X.sigmoid()
RUNS = {
    "plain": (small_vae, X, {}),
    "several samples": (small_vae, X, {"objective": ELBO(3, "sampled", 0.5)}),
    "importance weights": (small_vae, X, {"objective": partial(iwae, samples=4)}),
    "free bits": (small_vae, X, {"objective": ELBO(free_bits=0.3)}),
    "rows in order": (small_vae, X, {"learning_rate": Steps(shuffle=False)}),
    "a falling step size": (small_vae, X, {"learning_rate": falling}),
    "pixels drawn": (coins, GREY, {"binarise": True, "validation": GREY[:20]}),
    "bytes": (coins, GREY.mul(255).to(torch.uint8), {"binarise": True}),
    "patience": (small_vae, X, {"validation": Validation(X[:9], 1), "learning_rate": 0.05}),
}


def train(model, x=X, epochs=2, **settings):
    settings = {"batch_size": 16, "progress": False} | settings
    return fit(model, x, epochs=epochs, **settings)


def parameters(model):
    return nn.utils.parameters_to_vector(model.parameters()).detach().clone()


def seen_by_the_encoder(model, x, **settings):
    """Every minibatch that the encoder saw, with whether the model was in training mode."""
    seen = []
    hook = model.encoder.register_forward_hook(
        lambda m, args, q: seen.append((m.training, args[0]))
    )
    train(model, x, **settings)
    hook.remove()
    return seen


def test_training_raises_the_elbo():
    model = small_vae()
    before = evaluate(model, X, ELBO(50)).elbo
    history = train(model, epochs=30, learning_rate=1e-2)
    assert len(history.train) == 30
    assert history.validation == []
    assert evaluate(model, X, ELBO(50)).elbo > before + 1
    assert history.train[-1].elbo > history.train[0].elbo + 1


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
    model = small_vae()
    exact = kl(model.encode(X), model.prior).mean().item()
    history = train(model, learning_rate=1e-14, objective=ELBO(samples=200), validation=X[:20])
    terms = history.train[0]
    assert terms.kl == pytest.approx(exact, rel=1e-9)
    assert terms.elbo == pytest.approx(terms.reconstruction - terms.kl, rel=1e-12)
    values = elbo_terms(model, X.expand(2000, 50, 3))[0].mean(1)
    assert abs(terms.reconstruction - values.mean()) < 6 * values.std() / math.sqrt(200)
    validated = kl(model.encode(X[:20]), model.prior).mean().item()
    assert [t.kl for t in history.validation] == pytest.approx([validated] * 2, rel=1e-9)


@pytest.mark.parametrize("batch_size", [1, 16, 50, 64])
def test_every_datum_counts_once_whatever_the_batch_size(batch_size):
    model = small_vae()
    exact = kl(model.encode(X), model.prior).mean().item()
    assert train(model, batch_size=batch_size, learning_rate=1e-14).train[0].kl == pytest.approx(
        exact
    )
    assert evaluate(model, X, batch_size=batch_size).kl == pytest.approx(exact)
    seen = seen_by_the_encoder(model, X, epochs=1, batch_size=batch_size)
    assert [len(rows) for _, rows in seen][:-1] == [batch_size] * (math.ceil(50 / batch_size) - 1)
    together = torch.cat([rows for _, rows in seen])
    assert torch.equal(together.sort(0).values, X.sort(0).values)


def test_one_step_follows_the_gradient_of_the_mean_elbo():
    model = small_vae()
    moved = copy.deepcopy(model)
    kept = []

    def keep(parameters, lr):
        kept.append(lr)
        return SGD(parameters, lr=lr)

    train(
        moved,
        epochs=1,
        batch_size=50,
        learning_rate=Steps(0.1, keep),
        objective=ELBO(samples=4000),
    )
    learned = [p for p in model.parameters() if p.requires_grad]
    gradient = torch.autograd.grad(elbo(model, X, 4000).mean(), learned)
    expected = 0.1 * nn.utils.parameters_to_vector(gradient)
    after = [p for p in moved.parameters() if p.requires_grad]
    step = nn.utils.parameters_to_vector(after) - nn.utils.parameters_to_vector(learned)
    assert kept == [0.1]
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
    free_bits = by_coordinate.mean().item()
    train(
        model,
        learning_rate=Steps(1.0, SGD),
        objective=ELBO(free_bits=free_bits),
        epochs=1,
        batch_size=50,
    )
    weights = [w for w in start.parameters() if w.requires_grad]
    torch.manual_seed(0)
    reconstruction = elbo_terms(start, X[torch.randperm(50)])[0].mean()
    gradients = torch.autograd.grad(reconstruction - by_coordinate.max(), weights)
    moved = [w for w in model.parameters() if w.requires_grad]
    for before, after, gradient in zip(weights, moved, gradients, strict=True):
        assert torch.allclose(after - before, gradient, atol=1e-9)


def test_with_free_bits_too_an_encoder_sees_each_minibatch_once():
    seen = seen_by_the_encoder(
        small_vae(), X, objective=ELBO(free_bits=0.1), epochs=1, batch_size=16
    )
    assert [len(x) for _, x in seen] == [16, 16, 16, 2]


class HeavyTailed(nn.Module):
    """A prior with heavy tails, from which torch has no divergence of a normal q."""

    def forward(self):
        return Independent(StudentT(5 * X.new_ones(2)), 1)


def test_validation_data_are_judged_as_the_training_data_are():
    model = small_vae()
    model = VAE(HeavyTailed(), model.encoder, model.decoder)
    history = train(model, validation=X[:5], objective=ELBO(kl="sampled", samples=3))
    assert math.isfinite(history.validation[-1].elbo)


def test_a_schedule_for_beta_gets_the_epochs_from_zero_and_is_followed():
    epochs = []

    def beta(epoch):
        epochs.append(epoch)
        return 5.0

    constant, scheduled = small_vae(), small_vae()
    train(scheduled, epochs=3, objective=ELBO(beta=beta))
    train(constant, epochs=3, objective=ELBO(beta=5.0))
    assert epochs == [0, 1, 2]
    assert torch.equal(parameters(constant), parameters(scheduled))


def test_pixels_are_drawn_afresh_each_epoch_and_validation_pixels_once():
    seen = seen_by_the_encoder(
        coins(), GREY, binarise=True, batch_size=50, epochs=3, validation=GREY
    )
    training, validation = ([rows for mode, rows in seen if mode is kind] for kind in (True, False))
    assert (len(training), len(validation)) == (3, 3)
    assert all(((rows == 0) | (rows == 1)).all() for _, rows in seen)
    assert torch.equal(validation[0], validation[1])
    assert torch.equal(validation[0], validation[2])
    counts = [rows.sum().item() for rows in training]
    assert len(set(counts)) > 1
    assert not torch.equal(training[0].sort(0).values, validation[0].sort(0).values)


def test_sampled_kl_and_number_of_samples_are_passed_on():
    drawn = []
    model = small_vae()
    model.decoder.register_forward_hook(lambda m, args, p: drawn.append(args[0].shape))
    history = train(model, objective=ELBO(samples=3, kl="sampled"), batch_size=50, validation=X[:7])
    assert [shape for shape in drawn if len(shape) == 3] == [(3, 50, 2), (3, 7, 2)] * 2
    assert history.train[0].kl != pytest.approx(
        kl(model.encode(X), model.prior).mean().item(), rel=1e-6
    )


def test_evaluate_leaves_mode_and_gradients_alone():
    model = small_vae().train()
    terms = evaluate(model, X, ELBO(samples=5))
    assert isinstance(terms, Terms)
    assert model.training
    assert all(p.grad is None for p in model.parameters())


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
]
OF_THE_OBJECTIVE = [
    ({"samples": 0}, "samples must be a whole number of at least 1, got 0"),
    ({"kl": "closed"}, "kl must be 'exact' or 'sampled'"),
    ({"free_bits": -0.1}, "free_bits must be at least 0 and finite, got -0.1"),
    ({"free_bits": math.nan}, "free_bits must be at least 0 and finite, got nan"),
    ({"free_bits": math.inf}, "free_bits must be at least 0 and finite, got inf"),
    ({"free_bits": 0.1, "kl": "sampled"}, "free_bits needs kl='exact', got kl='sampled'"),
]


@pytest.mark.parametrize(("settings", "message"), OF_THE_OBJECTIVE)
def test_bad_settings_of_the_objective_raise_by_name(settings, message):
    with pytest.raises(ValueError, match=message):
        ELBO(**settings)


@pytest.mark.parametrize("every", [-1, math.nan])
def test_seconds_between_two_writings_are_a_number(every):
    with pytest.raises(ValueError, match=f"^every must be a number of seconds, got {every}$"):
        Checkpoint("run.pt", every=every)


@pytest.mark.parametrize(("settings", "message"), SETTINGS)
def test_bad_settings_raise_by_name(settings, message):
    with pytest.raises(ValueError, match=message):
        train(small_vae(), **settings)


def test_grey_pixels_under_a_bernoulli_decoder_name_the_way_out():
    with pytest.raises(ValueError, match="binarise=True"):
        train(coins(), GREY)


def test_a_model_without_parameters_to_learn_is_refused():
    with pytest.raises(ValueError, match=r"^the model has no parameters to learn$"):
        train(small_vae().requires_grad_(False))


@pytest.mark.parametrize(
    ("settings", "message"), [({"batch_size": 0}, "batch_size"), ({"x": X[0]}, "x must")]
)
def test_evaluate_refuses_what_fit_refuses(settings, message):
    with pytest.raises(ValueError, match=message):
        evaluate(small_vae(), **({"x": X} | settings))


def test_a_bar_shows_only_in_a_terminal_and_unless_it_is_not_wanted(capsys, monkeypatch):
    fit(small_vae(), X, epochs=2)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    train(small_vae())
    assert capsys.readouterr().err == ""
    fit(small_vae(), X, epochs=2, validation=X)
    shown = capsys.readouterr().err
    assert "image/s" in shown
    assert re.search(r"epoch=2, train=-\d+\.\d\d, validation=-\d+\.\d\d", shown)


def test_a_linear_vae_finds_the_maximum_likelihood_of_ppca():
    W = torch.tensor([[2.0, 0.0], [1.0, 1.0], [0.0, -1.5], [0.5, 0.5]]).double()
    truth = LinearGaussian(W, torch.tensor([1.0, 0.0, -1.0, 2.0]).double(), 0.6)
    x = truth.decode(truth.prior.sample((1000,))).sample()
    model = VAE(
        StandardNormal(2),
        GaussianEncoder(4, [], 2),
        GaussianDecoder(2, [], 4, sigma=1.0, learn_sigma=True),
    ).double()
    train(model, x, epochs=40, batch_size=50, learning_rate=2e-2)
    train(model, x, epochs=40, batch_size=100, learning_rate=1e-3, objective=ELBO(samples=10))
    centred = x - x.mean(0)
    values = torch.linalg.eigvalsh(centred.T @ centred / len(x)).flip(0)
    noise = values[2:].mean()
    log_det = values[:2].log().sum() + 2 * noise.log()
    best = -(4 * math.log(2 * math.pi) + log_det + 4).item() / 2
    (layer,) = model.decoder.network
    with torch.no_grad():
        learned = LinearGaussian(layer.weight, layer.bias, model.decoder.sigma)
        evidence = learned.log_evidence(x).mean().item()
    assert best - 0.01 < evidence <= best + 1e-9
    bound = evaluate(model, x, ELBO(samples=500, kl="sampled")).elbo
    assert best - 0.02 < bound < best + 1e-3
    assert model.decoder.sigma.item() == pytest.approx(noise.sqrt().item(), rel=0.02)
