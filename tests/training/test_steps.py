"""What fit adds to the bare loop: schedules, other objectives, patience, and clear endings."""

import threading
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from torch.optim import SGD

from tests.training.test_training import X, parameters, small_vae, train
from vaelib.objectives import ELBO, Terms, elbo, iwae
from vaelib.training import History, Steps, TensorBoard, Validation, loop
from vaelib.validation import examining

CPU = torch.device("cpu")


def test_an_objective_of_ones_own_is_climbed():
    own, plain = small_vae(), small_vae()
    seen = train(own, objective=lambda model, x: elbo(model, x, beta=2.0))
    train(plain, objective=ELBO(beta=2.0))
    assert torch.allclose(parameters(own), parameters(plain), atol=1e-12)
    values = [terms.elbo for terms in seen.train]
    assert all(torch.tensor(values).isfinite())
    assert torch.tensor([terms.kl for terms in seen.train]).isnan().all()


def test_importance_weights_raise_their_own_bound_further():
    settings = {"epochs": 60, "learning_rate": 1e-2, "batch_size": 50}
    weighed, plain = small_vae(), small_vae()
    train(weighed, objective=partial(iwae, samples=20), **settings)
    train(plain, **settings)
    with torch.no_grad():
        bounds = [iwae(m, X.expand(200, *X.shape), 20).mean().item() for m in (weighed, plain)]
    assert bounds[0] > bounds[1]


def test_a_schedule_for_the_step_size_is_followed():
    scheduled, by_hand = small_vae(), small_vae()
    rates = []

    def rate(epoch):
        rates.append(epoch)
        return [0.1, 0.01][epoch]

    train(scheduled, epochs=2, batch_size=50, learning_rate=Steps(rate, SGD))
    moved = [parameters(scheduled)]
    train(by_hand, epochs=1, batch_size=50, learning_rate=Steps(0.1, SGD))
    first = parameters(by_hand)
    train(constant := small_vae(), epochs=2, batch_size=50, learning_rate=Steps(0.1, SGD))
    step = parameters(constant) - first
    assert torch.allclose(moved[0] - first, step / 10, atol=1e-12)
    assert sorted(set(rates)) == [0, 1]


def test_a_step_size_of_zero_is_refused_in_whichever_epoch():
    with pytest.raises(ValueError, match="learning_rate must be positive, got 0"):
        train(small_vae(), epochs=3, learning_rate=lambda epoch: 0.1 * (2 - epoch))


def test_patience_stops_and_gives_the_best_parameters_back(monkeypatch):
    scores = iter([-5.0, -3.0, -4.0, -3.5, -1.0])
    kept = []

    def judged(model, x, objective):
        kept.append(parameters(model))
        return Terms(next(scores), 0.0, 0.0)

    monkeypatch.setattr(loop, "averages", judged)
    model = small_vae()
    history = train(model, epochs=9, validation=Validation(X, patience=2))
    assert history.stopped == "patience"
    assert [terms.elbo for terms in history.validation] == [-5.0, -3.0, -4.0, -3.5]
    assert history.best == 1
    assert torch.equal(parameters(model), kept[1])
    assert not torch.equal(kept[1], kept[3])


def test_patience_lasts_an_epoch_at_least_and_needs_something_to_look_at():
    with pytest.raises(ValueError, match="patience must be a whole number of at least 1, got 0"):
        Validation(X, patience=0)
    with pytest.raises(ValueError, match="no validation data"):
        _ = History().best


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda m: m.encoder.network[0].weight.data.fill_(torch.nan), "encoder.network.0.weight"),
        (lambda m: m.decoder.network[2].bias.data.fill_(torch.inf), "decoder.network.2.bias"),
    ],
)
def test_an_end_that_is_not_finite_names_step_and_tensor(spoil, said):
    model = small_vae()
    count = [0]

    def after_two_steps(module, arguments):
        count[0] += module.training
        if count[0] == 3:
            with torch.no_grad():
                spoil(model)

    model.encoder.register_forward_pre_hook(after_two_steps)
    with pytest.raises(FloatingPointError) as error:
        train(model)
    assert "in step 3 of 4, epoch 1" in str(error.value)
    assert f"not finite first: the parameter {said}" in str(error.value)
    assert "Try a smaller learning_rate" in str(error.value)


def test_the_minibatch_that_did_it_is_named_and_looked_at():
    x = X.clone()
    x[37] = 1e308

    def steep():
        model = small_vae()
        model.encoder.network[0].weight.data *= 100
        return model

    said = r"with row 37; not finite first: the output of encoder.network.0\."
    with pytest.raises(FloatingPointError, match=said) as error:
        train(steep(), x, learning_rate=Steps(shuffle=False))
    assert "in step 3 of 4, epoch 1" in str(error.value)
    with pytest.raises(FloatingPointError, match="with row 37; "):
        train(steep(), x, learning_rate=Steps(shuffle=False), batch_size=1)


def test_parameters_stay_finite_when_the_loss_is_not():
    model = small_vae()
    with pytest.raises(FloatingPointError):
        train(model, 1e200 * X, batch_size=50, epochs=1)
    assert parameters(model).isfinite().all()


def test_values_are_examined_in_the_first_step_and_no_other():
    seen = []
    model = small_vae()
    model.encoder.register_forward_hook(lambda *_: seen.append(examining()))
    train(model, epochs=1)
    assert seen == [True, False, False, False]
    assert examining()


def test_fit_works_outside_the_main_thread():
    model, plain = small_vae(), small_vae()
    thread = threading.Thread(target=train, args=[model])
    thread.start()
    thread.join()
    train(plain)
    assert torch.equal(parameters(model), parameters(plain))


def test_a_history_plots_itself():
    history = train(small_vae(), validation=X)
    elbo_axes = history.plot()[0]
    lines = {line.get_label(): line.get_ydata().tolist() for line in elbo_axes.get_lines()}
    assert lines["train"] == [terms.elbo for terms in history.train]
    assert lines["validation"] == [terms.elbo for terms in history.validation]


def test_curves_for_tensorboard(monkeypatch, tmp_path):
    written = []

    class Writer:
        def __init__(self, folder):
            assert folder == str(tmp_path)

        def add_scalar(self, *what):
            written.append(what)

        def flush(self):
            written.append("flushed")

    module = SimpleNamespace(SummaryWriter=Writer)
    monkeypatch.setitem(__import__("sys").modules, "torch.utils.tensorboard", module)
    history = train(small_vae(), validation=X, callback=TensorBoard(tmp_path))
    assert ("train/elbo", history.train[1].elbo, 2) in written
    assert ("validation/kl", history.validation[0].kl, 1) in written
    assert (len(written), written[-1]) == (2 * 6 + 2, "flushed")


def test_without_tensorboard_the_error_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "torch.utils.tensorboard", None)
    with pytest.raises(ImportError, match=r"^TensorBoard is missing: pip install tensorboard$"):
        TensorBoard(tmp_path)
