"""What readers bring: images of any rank, datasets, labels, priors and networks of their own."""

import math
import signal
from contextlib import nullcontext
from functools import partial

import pytest
import torch
from torch import nn
from torch.optim import SGD

from tests.cases import cases
from tests.training.test_resume import at_step
from tests.training.test_shares import each_of
from tests.training.test_training import (
    GREY,
    LABELS,
    X,
    coins,
    parameters,
    small_vae,
    train,
    with_prior,
)
from vaelib.distributions import diagonal_normal
from vaelib.models import (
    VAE,
    BernoulliDecoder,
    Beside,
    GaussianDecoder,
    GaussianEncoder,
    StandardNormal,
)
from vaelib.objectives import ELBO, iwae
from vaelib.training import (
    Checkpoint,
    Steps,
    Validation,
    by_width,
    checkpoint,
    evaluate,
    fit,
    shares,
    step,
)


def conditional():
    torch.manual_seed(0)
    encoder, decoder = Beside(GaussianEncoder(3 + 4, [4], 2)), Beside(BernoulliDecoder(6, [4], 3))
    return VAE(StandardNormal(2), encoder, decoder).double()


def test_conditions_go_with_their_rows(tmp_path, monkeypatch):
    """A decoder that sees its label alone learns the mean of each class."""
    x = LABELS[:, :3]
    model = conditional()
    file = Checkpoint(tmp_path / "run.pt", resume=True)
    how = {"given": LABELS, "validation": Validation(x[:8], given=LABELS[:8]), "checkpoint": file}
    how["binarise"] = True
    history = train(model, x, epochs=150, learning_rate=0.05, **how)
    mean = model.given(torch.eye(4).double()).decode(torch.zeros(4, 2).double()).mean
    torch.testing.assert_close(mean, torch.eye(4, 3).double(), atol=0.05, rtol=0)
    assert history.validation[-1].elbo > -0.5
    assert evaluate(model, x, given=LABELS, batch_size=7).elbo > -0.5
    with pytest.raises(ValueError, match="belongs to a run with other settings: x was"):
        train(conditional(), x, learning_rate=0.05, **how | {"given": LABELS.flip(0)})
    whole = evaluate(model, x, given=LABELS).kl
    monkeypatch.setattr(shares, "total", lambda value: value)
    of_two = each_of(monkeypatch, 2)
    parts = [evaluate(model, x, given=LABELS, batch_size=7).kl for _ in of_two]
    assert sum(parts) == pytest.approx(whole)


def test_a_gradient_is_shortened_to_the_norm_allowed():
    plain, clipped = small_vae(), small_vae()
    before, how = parameters(plain), {"epochs": 1, "batch_size": 50}
    train(plain, learning_rate=Steps(1.0, SGD), **how)
    train(clipped, learning_rate=Steps(1.0, SGD), clip=0.01, **how)
    longer, shorter = parameters(plain) - before, parameters(clipped) - before
    assert longer.norm() > 0.1
    torch.testing.assert_close(shorter, longer * 0.01 / longer.norm(), rtol=1e-4, atol=1e-9)


def test_a_schedule_by_step_counts_all_steps_and_goes_on_where_it_was(tmp_path, monkeypatch):
    monkeypatch.setattr(step, "_recordable", lambda *_: True)  # yet none is: it would ask for a GPU
    asked = []

    def rate(when):
        asked.append(when)
        return 0.1 / (1 + when)

    file = Checkpoint(tmp_path / "run.pt", resume=True)
    whole, cut = small_vae(), small_vae()
    train(whole, epochs=3, learning_rate=Steps(rate, by_step=True))
    assert asked == [0, *range(12)]
    for epochs in (1, 3):
        train(cut, epochs=epochs, learning_rate=Steps(rate, by_step=True), checkpoint=file)
    assert torch.equal(parameters(whole), parameters(cut))


@pytest.mark.parametrize(("stops", "epochs"), [(3, 3), (None, 6)])
def test_a_callback_can_stop(stops, epochs):
    seen = []
    history = train(
        small_vae(), epochs=6, callback=lambda run: seen.append(run.model) or run.epoch == stops
    )
    assert (len(history.train), len(seen)) == (epochs, epochs)
    assert history.stopped == ("callback" if stops else "")


@pytest.mark.parametrize("rate", [0.01, lambda epoch: 0.01])
def test_steps_are_smaller_for_weights_with_many_inputs(rate):
    torch.manual_seed(0)
    model = VAE(StandardNormal(2), GaussianEncoder(4096, [4], 2), BernoulliDecoder(2, [4], 4096))
    before = [p.detach().clone() for p in model.parameters()]
    steps = Steps(rate, by_width)
    fit(model, torch.ones(8, 4096), epochs=1, learning_rate=steps, progress=False)
    moved = [(p - b).abs().max().item() for p, b in zip(model.parameters(), before, strict=True)]
    assert moved[0] == pytest.approx(0.01 / 4, rel=0.01)
    assert moved[1:] == pytest.approx([0.01] * 7, rel=0.01)


@pytest.mark.parametrize("prior", ["mixture", "flow"])  # the second is not known to have a mean
@pytest.mark.parametrize("objective", [partial(iwae, samples=4), ELBO(3, "sampled"), ELBO()])
def test_any_distribution_is_a_prior_for_every_objective_with_validation(objective, prior):
    model = with_prior(prior)
    before = parameters(model.prior_module)
    history = train(model, objective=objective, validation=Validation(X[:20], patience=9))
    assert all(math.isfinite(terms.elbo) for terms in history.train + history.validation)
    assert not torch.equal(before, parameters(model.prior_module))


class Exploding(nn.Module):
    """A reader's encoder whose mean and sigma are factors too large for one row."""

    def __init__(self, *factors):
        super().__init__()
        self.mu, self.factors = nn.Linear(3, 2).double(), factors

    def forward(self, x):
        mu, sigma = (torch.where(x[:, :1] == 9, factor, x.new_ones(())) for factor in self.factors)
        return diagonal_normal(mu * self.mu(x), sigma)


@cases(
    (1.0, 0.0, "standard deviation"),
    (1.0, 1e200, "standard deviation"),
    (math.nan, 1.0, "mean"),
)
@pytest.mark.parametrize("where", ["training", "validation"])
def test_what_is_not_finite_and_in_which_row_is_named(tmp_path, where, mu, sigma, named):
    model = VAE(StandardNormal(2), Exploding(mu, sigma), GaussianDecoder(2, [4], 3, 0.5)).double()
    x, file = X.clone(), tmp_path / "run.pt"
    x[37, 0] = 9
    data = (x, None) if where == "training" else (X, x)
    how = {"learning_rate": Steps(shuffle=False), "validation": data[1], "checkpoint": file}
    with pytest.raises(FloatingPointError) as error:
        train(model, data[0], **how)
    for said in ("with row 37;", f"first: the {named} of encoder.", "clip=1.0"):
        assert said in str(error.value)
    assert str(error.value).endswith(f". The state after epoch 0 is in {file}")


def test_what_dies_leaves_the_state_after_the_last_whole_epoch(tmp_path):
    file, dies = tmp_path / "run.pt", small_vae()

    def spoiled(model, x):
        steps.append(1)
        return ELBO()(model, x) / (len(steps) != 11)  # the third step of epoch 3, of 4 each

    steps = []
    with pytest.raises(FloatingPointError, match=rf"The state after epoch 2 is in {file}$"):
        train(dies, epochs=5, objective=spoiled, checkpoint=Checkpoint(file, every=1000))
    steps, two, left = [1] * 99, small_vae(), small_vae()
    train(two, epochs=2, objective=spoiled)
    left.load_state_dict(checkpoint.load(file)["model"])
    assert torch.equal(parameters(left), parameters(two))


@pytest.mark.parametrize("own", [True, False])
def test_sigterm_ends_a_program_without_a_handler_after_the_state_is_written(own, tmp_path):
    heard, model, file = [], small_vae(), tmp_path / "run.pt"
    handler = (lambda *_: heard.append(1)) if own else signal.SIG_DFL
    before = signal.signal(signal.SIGTERM, handler)
    at_step(model, 6, signal.SIGTERM)
    try:
        with nullcontext() if own else pytest.raises(SystemExit, match=str(128 + signal.SIGTERM)):
            train(model, epochs=3, checkpoint=file)
    finally:
        signal.signal(signal.SIGTERM, before)
    progress = checkpoint.load(file)["progress"]
    assert (heard, progress["epoch"], progress["seen"]) == (([1], 3, 0) if own else ([], 1, 32))


@pytest.mark.parametrize("samples", [(), (4,), (2, 3)])
def test_images_meet_the_noise_of_a_single_process(monkeypatch, samples):
    """The rows lie before the event, though there are as many pixels as rows in a side."""
    mu = torch.rand(7, 2, 3, 3).double()
    torch.manual_seed(1)
    whole = diagonal_normal(mu, 1.0, 3).rsample(samples), torch.bernoulli(mu), torch.rand(3)
    for _ in each_of(monkeypatch, 3):
        share = shares.Share(7)
        torch.manual_seed(1)
        with share.noise(torch.Size([2]), torch.Size([2, 3, 3])):
            mine = diagonal_normal(mu[share.rows], 1.0, 3).rsample(samples)
            drawn = torch.bernoulli(mu[share.rows])
        torch.testing.assert_close(mine.movedim(-4, 0), whole[0].movedim(-4, 0)[share.rows])
        assert torch.equal(drawn, whole[1][share.rows])
        assert torch.equal(torch.rand(3), whole[2])


@pytest.mark.parametrize("rank", [0, 1])
def test_of_several_processes_all_stop_after_the_same_step(monkeypatch, rank):
    """The first hears of Ctrl-C in its fifth step, the second never."""
    from vaelib.training import loop, run, watch

    wishes = []
    monkeypatch.setattr(watch.shares, "size", lambda: 2)
    monkeypatch.setattr(watch.Watch, "_most", lambda self, value: wishes.append(value) or 1)
    monkeypatch.setattr(loop.shares, "distribute", lambda loss, device: loss)
    monkeypatch.setattr(run, "total", lambda value: value)
    model = coins()
    steps = at_step(model, 5 if rank == 0 else None, signal.SIGINT)
    history = train(model, GREY, epochs=50, binarise=True)
    assert (history.stopped, len(steps)) == ("interrupted", 16)
    assert wishes == [signal.SIGINT if rank == 0 else 0]
