"""What a run says when it ends badly, what it shows, and what it would ask of a GPU."""

import warnings
from contextlib import suppress
from functools import partial
from types import SimpleNamespace
from unittest.mock import MagicMock, Mock, call

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam

from tests.cases import cases
from tests.training.test_resume import Cut, cut_after
from tests.training.test_training import X, parameters, small_vae, train
from vaelib.divergence import kl
from vaelib.objectives import ELBO
from vaelib.training import ADAM, Checkpoint, Loss, Steps, evaluate, fit, shares
from vaelib.training import step as steps
from vaelib.training.examine import first_not_finite
from vaelib.training.rows import Rows
from vaelib.training.run import Run

CPU, META, GPU = (torch.device(name) for name in ("cpu", "meta", "cuda:1"))


def run_of(batch_size, device=CPU):
    """A run at its start, in order."""
    model = small_vae()
    rows = Rows("x", X, device, torch.float64)
    optimizer = SGD(model.parameters(), lr=0.1)
    return Run(model, rows, None, optimizer, batch_size=batch_size, shuffle=False, judge=None)


@cases(
    (1, "row 0"),
    (8, "the 8 rows 0, 1, 2, 3, 4, 5, 6, 7"),
    (9, "the 9 rows 0, 1, 2, 3, 4, 5, 6, 7, …"),
)
def test_up_to_eight_rows_of_a_minibatch_are_named(batch_size, said):
    run = run_of(batch_size)
    with pytest.raises(FloatingPointError) as error:
        run.stop(torch.tensor(torch.nan, requires_grad=True))
    assert str(error.value) == (
        f"the loss is not finite (nan) in step 1 of {-(-50 // batch_size)}, epoch 1, with {said}; "
        "not finite first: the bound itself, though all that goes into it is finite. Try a smaller "
        "learning_rate, clip=1.0, data of moderate size, or a network whose sigma can neither "
        "vanish nor explode"
    )


@pytest.mark.parametrize("elbo", [torch.inf, -torch.inf, torch.nan])
def test_what_nobody_saw_in_a_step_is_seen_at_the_end_of_its_epoch(elbo):
    run = run_of(16)
    run.count(16, torch.tensor([elbo, 3.0, 4.0]))
    said = rf"the loss is not finite \({-elbo}\) in step 2 of"
    with pytest.raises(FloatingPointError, match=said):
        run.end_epoch(None)
    assert run.history.train == []


@cases(
    (0, 1, "step 1 of epoch 1"),
    (3, 33, "step 3 of epoch 4"),
    (3, 0, "epoch 3"),
)
def test_a_parameter_that_is_not_finite_is_told_with_its_step(epoch, seen, when):
    run = run_of(16)
    run.epoch, run.seen = epoch, seen
    with torch.no_grad():
        run.model.encoder.network[2].bias[1] = torch.nan
    with pytest.raises(FloatingPointError) as error:
        run.state()
    assert str(error.value) == (
        f"the parameter encoder.network.2.bias is not finite after {when}: its gradient was not, "
        "though the loss was. The state is not written; the one before stays"
    )


def test_the_state_of_another_model_is_refused_with_torchs_reason():
    state = run_of(16).state()
    del state["model"]["encoder.network.0.bias"]
    said = r"^the checkpoint is of another model: Error.*\n.*0\.bias"
    with pytest.raises(ValueError, match=said):
        run_of(16).resume(state)


def test_the_state_of_a_gpus_generator_is_kept_and_put_back(monkeypatch):
    put = []
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda device: f"of {device}")
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda *what: put.append(what))
    run = run_of(16)
    assert set(run.random()) == {"cpu"}
    run.rows.device = GPU
    states = run.random()
    assert states["cuda"] == "of cuda:1"
    run.set_random(states)
    assert put == [("of cuda:1", GPU)]


@pytest.fixture
def cuda(monkeypatch):
    """What is asked of CUDA; what is recorded happens at once, and nothing when it is replayed."""
    cuda = MagicMock()
    for name in ("Stream", "current_stream", "stream", "CUDAGraph", "graph"):
        monkeypatch.setattr(torch.cuda, name, getattr(cuda, name))
    for name in ("get_sync_debug_mode", "set_sync_debug_mode"):
        monkeypatch.setattr(torch.cuda, name, getattr(cuda, name))
    monkeypatch.setattr(steps, "_recordable", lambda rows, optimizer: True)
    steps._side.cache_clear()
    yield cuda
    steps._side.cache_clear()


def step_of(run, batch_size):
    loss = Loss(run.model, ELBO())
    return steps.Step(run.rows, loss, run.optimizer, batch_size)


def test_a_gpu_warms_up_aside_records_once_and_replays(cuda):
    step, checked = step_of(run_of(16), 16), []
    side, main, graph = (f.return_value for f in (cuda.Stream, cuda.current_stream, cuda.CUDAGraph))
    begin = [call.current_stream(CPU), call.Stream().wait_stream(main), call.stream(side)]
    begin, end = [*begin, call.stream().__enter__()], [call.stream().__exit__(None, None, None)]
    end += [call.current_stream().wait_stream(side)]
    mode = cuda.get_sync_debug_mode.return_value
    watch = [call.get_sync_debug_mode(), call.set_sync_debug_mode("warn")]
    watched = [*begin, *watch, call.set_sync_debug_mode(mode), *end]
    recorded = [call.CUDAGraph(), call.graph(graph, stream=side), call.graph().__enter__()]
    recorded += [call.graph().__exit__(None, None, None)]
    replayed = [call.CUDAGraph().replay()]
    first = [call.Stream(CPU), *begin, *end]
    asked = [first, watched, watched, [*recorded, *replayed], replayed]
    for made, expected in enumerate(asked):
        cuda.reset_mock()
        index = torch.arange(16) + made
        sums = step(index, checked.append)
        assert sums.shape == (3,)
        assert cuda.mock_calls == expected
        if made == 3:
            whole, held = sums, step.index
            assert held is not index
        if made >= 3:
            assert torch.equal(step.index, index)
    assert sums is whole
    assert step.index is held
    assert len(checked) == 3
    step(torch.arange(2), checked.append)
    assert cuda.mock_calls == replayed
    assert len(checked) == 4


def test_another_step_size_is_recorded_anew(cuda):
    run = run_of(16)
    step = step_of(run, 16)
    for rate, blocks in ((0.1, 1), (0.1, 1), (0.2, 2), (None, 2)):
        step.prepare(rate, 1.0)
        for _ in range(4):
            step(torch.arange(16), lambda loss: None)
        assert cuda.graph.call_count == blocks


def test_all_steps_on_a_device_share_one_side_stream(cuda):
    for device in (CPU, GPU, CPU):
        steps._side(device)
    assert cuda.Stream.mock_calls == [call(CPU), call(GPU)]


class Waiting(nn.Module):
    """An encoder that, from its second step on, asks for a value, as on a GPU torch says."""

    def __init__(self, encoder):
        super().__init__()
        self.encoder, self.asked = encoder, 0

    def forward(self, x):
        self.asked += 1
        if self.asked > 1:
            warnings.warn("called a synchronizing CUDA operation", stacklevel=1)
        warnings.warn("of another kind", stacklevel=1)
        return self.encoder(x)


@pytest.mark.not_mutated
def test_a_step_that_waits_for_the_gpu_is_not_even_tried(cuda, monkeypatch):
    model, plain = small_vae(), small_vae()
    model.encoder = Waiting(model.encoder)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        train(model, epochs=2)
    (said,) = (w for w in told if "made plainly" in str(w.message))
    assert f"plainly: the processor waits for the GPU in {__file__}, line " in str(said.message)
    assert said.filename.endswith("test_training.py")
    assert sum("of another kind" in str(w.message) for w in told) == 8
    cuda.CUDAGraph.assert_not_called()
    monkeypatch.undo()
    train(plain, epochs=2)
    assert torch.equal(parameters(model), parameters(plain))


@pytest.fixture
def refused(monkeypatch):
    """No graph can be recorded; the list counts who tried."""
    tried = []

    class Refusing:
        def __init__(self):
            tried.append(1)
            raise RuntimeError("no graph here")

    monkeypatch.setattr(steps, "_recordable", lambda rows, optimizer: True)
    monkeypatch.setattr(steps.Step, "_aside", steps.Step.plain)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Refusing)
    return tried


def test_a_step_that_cannot_be_recorded_is_tried_once_and_made_plainly(refused, monkeypatch):
    model, plain = small_vae(), small_vae()
    with pytest.warns(UserWarning, match="each is made plainly: no graph here$"):
        train(model, epochs=4)
    assert len(refused) == 1
    monkeypatch.undo()
    train(plain, epochs=4)
    assert torch.equal(parameters(model), parameters(plain))


class Pair(nn.Module):
    """A layer that gives two things, as recurrent ones do."""

    def forward(self, x):
        return x, None


class Wrapped(nn.Module):
    def __init__(self, encoder):
        super().__init__()
        self.pair, self.encoder = Pair(), encoder

    def forward(self, x):
        return self.encoder(self.pair(x)[0])


def test_a_layer_that_gives_several_things_is_passed_by():
    model = small_vae()
    model.encoder = Wrapped(model.encoder)
    assert first_not_finite(model, X[:4]).startswith("the bound itself")
    assert first_not_finite(model, X[:4] * torch.nan) == "the output of encoder.encoder.network.0"


def test_the_bar_is_told_of_an_epoch_and_drawn_by_its_own_clock(monkeypatch):
    told = []
    bar = SimpleNamespace(
        update=lambda images: told.append(images),
        set_postfix=lambda *what, **how: told.append((*what, how)),
        close=lambda: told.append("closed"),
    )
    monkeypatch.setattr("tqdm.auto.tqdm", lambda **settings: told.append(settings) or bar)
    history = train(small_vae(), epochs=1, progress=True, validation=X[:5])
    shown = {"epoch": 1, "train": f"{history.train[0].elbo:.2f}"}
    shown["validation"] = f"{history.validation[0].elbo:.2f}"
    settings = {"total": 50, "initial": 0, "unit": "image", "unit_scale": True, "disable": None}
    assert told == [settings, 16, 16, 16, 2, (shown, {"refresh": False}), "closed"]


def test_the_bar_of_a_resumed_run_begins_where_it_was(monkeypatch, tmp_path):
    bar = Mock()
    monkeypatch.setattr("tqdm.auto.tqdm", bar)
    keep = {"checkpoint": Checkpoint(tmp_path / "run.pt", every=0, resume=True)}
    train(small_vae(), epochs=1, **keep)
    cut_after(model := small_vae(), 2)
    with suppress(Cut):
        train(model, epochs=3, **keep)
    train(small_vae(), epochs=3, **keep)
    told = [(how["initial"], how["total"]) for _, how in bar.call_args_list]
    assert told == [(0, 50), (50, 150), (50 + 32, 150)]


def test_single_bounds_are_added_up_in_double_precision():
    model = small_vae().float()
    x = X.float().repeat(400, 1)
    with torch.no_grad():
        each = kl(model.encode(x), model.prior)
    exact = each.double().mean().item()
    assert evaluate(model, x, batch_size=len(x)).kl == pytest.approx(exact, rel=1e-12)
    assert each.mean().item() != pytest.approx(exact, rel=1e-10)


def test_a_run_that_has_not_begun_knows_the_noise_that_it_begins_with():
    run = run_of(16)
    assert torch.equal(run.state()["random"]["start"]["cpu"], torch.get_rng_state())


def test_sums_order_and_the_weight_of_the_divergence_lie_with_the_data_in_their_precision():
    run = run_of(16, device=META)
    assert run.sums.device == next(run.minibatches()).device == META
    step = steps.Step(Rows("x", X, META, torch.bfloat16), nn.Identity(), run.optimizer, 16)
    assert (step.beta.device, step.beta.dtype) == (META, torch.bfloat16)


def rows_on(device, lies):
    return SimpleNamespace(device=device, x=SimpleNamespace(device=lies))


@cases(
    (rows_on(GPU, GPU), True, True),
    (rows_on(GPU, GPU), False, False),
    (rows_on(GPU, CPU), True, False),
    (rows_on(CPU, CPU), True, False),
)
def test_a_step_is_recorded_where_data_and_optimizer_are_on_a_gpu(rows, capturable, recorded):
    groups = [{"capturable": True}, {"capturable": capturable}]
    assert steps._recordable(rows, SimpleNamespace(param_groups=groups)) is recorded


def test_a_step_asks_whether_it_can_be_recorded_and_several_processes_do_not(monkeypatch):
    asked = []
    monkeypatch.setattr(steps, "_recordable", lambda *what: asked.append(what) or True)
    run = run_of(16)
    assert steps.Step(run.rows, None, run.optimizer, 16).record
    assert asked == [(run.rows, run.optimizer)]
    monkeypatch.setattr(shares, "size", lambda: 2)
    assert not steps.Step(run.rows, None, run.optimizer, 16).record


@cases(
    (ADAM, GPU, True),
    (ADAM, CPU, False),
    (Adam, GPU, False),
    (partial(Adam), GPU, False),
)
def test_our_own_optimizer_can_be_recorded_on_a_gpu(optimizer, device, capturable):
    (group,) = Steps(0.1, optimizer).start([*small_vae().parameters()], device).param_groups
    assert (group["capturable"], group["lr"]) == (capturable, 0.1)


def test_unless_told_otherwise_128_rows_make_a_step_of_a_thousandth():
    x = torch.cat([X] * 6)[:257]
    told, untold, sizes = small_vae(), small_vae(), []
    untold.encoder.register_forward_pre_hook(lambda _, given: sizes.append(len(given[0])))
    fit(told, x, epochs=1, batch_size=128, learning_rate=1e-3, progress=False)
    fit(untold, x, epochs=1, progress=False)
    assert sizes == [128, 128, 1]
    assert torch.equal(parameters(told), parameters(untold))
