"""What fit adds to the bare loop: schedules, other objectives, patience, and clear endings."""

import sys
import threading
from unittest.mock import Mock, call

import pytest
import torch
from torch.optim import SGD

from tests.cases import cases
from tests.training.test_training import X, parameters, small_vae, train
from vaelib.objectives import ELBO, Terms, elbo
from vaelib.training import Steps, TensorBoard, Validation, loop
from vaelib.validation import examining

CPU = torch.device("cpu")


def test_an_objective_of_ones_own_is_climbed():
    own, plain = small_vae(), small_vae()
    seen = train(own, objective=lambda model, x: elbo(model, x, beta=2.0))
    train(plain, objective=ELBO(beta=2.0))
    assert torch.allclose(parameters(own), parameters(plain), atol=1e-12)
    assert torch.tensor([terms.elbo for terms in seen.train]).isfinite().all()
    assert torch.tensor([terms.kl for terms in seen.train]).isnan().all()


def test_a_schedule_for_the_step_size_is_followed():
    asked, ends = [], []

    def rates(epoch):
        asked.append(epoch)
        return [0.1, 0.01][epoch]

    for rate, epochs in ((0.1, 1), (0.1, 2), (rates, 2)):
        train(model := small_vae(), epochs=epochs, batch_size=50, learning_rate=Steps(rate, SGD))
        ends.append(parameters(model))
    assert torch.allclose(ends[2] - ends[0], (ends[1] - ends[0]) / 10, atol=1e-12)
    assert {*asked} == {0, 1}


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


@cases(
    ("encoder", "0.weight", torch.nan),
    ("decoder", "2.bias", torch.inf),
)
def test_an_end_that_is_not_finite_names_step_and_tensor(part, at, value):
    model, seen = small_vae(), []

    def after_two_steps(module, arguments):
        seen.append(1)
        if len(seen) == 3:
            model.get_parameter(f"{part}.network.{at}").data.fill_(value)

    model.encoder.register_forward_pre_hook(after_two_steps)
    said = f"in step 3 of 4, epoch 1, .*; not finite first: the parameter {part}.network.{at}. Try"
    with pytest.raises(FloatingPointError, match=said):
        train(model)


@pytest.mark.parametrize(("batch_size", "step"), [(16, "3 of 4"), (1, "38 of 50")])
def test_the_minibatch_that_did_it_is_named_and_looked_at(batch_size, step):
    x, model = X.clone(), small_vae()
    x[37] = 1e308
    model.encoder.network[0].weight.data *= 100
    said = rf"in step {step}, .* row 37; not finite first: the output of encoder.network.0\."
    with pytest.raises(FloatingPointError, match=said):
        train(model, x, learning_rate=Steps(shuffle=False), batch_size=batch_size)
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
    module = Mock()
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    history = train(small_vae(), validation=X, callback=TensorBoard(tmp_path))
    assert module.SummaryWriter.call_args == call(str(tmp_path))
    written = module.SummaryWriter().method_calls
    assert call.add_scalar("train/elbo", history.train[1].elbo, 2) in written
    assert call.add_scalar("validation/kl", history.validation[0].kl, 1) in written
    assert (len(written), written[-1]) == (2 * 6 + 2, call.flush())


def test_without_tensorboard_the_error_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ImportError, match=r"^TensorBoard is missing: pip install tensorboard$"):
        TensorBoard(tmp_path)
