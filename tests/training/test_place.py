"""On which device a run keeps what; here it is torch's meta device, which holds no numbers."""

from contextlib import contextmanager
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from torch.optim import SGD, Adam

from tests.training.test_training import X, parameters, small_vae
from vaelib.training import ADAM, Checkpoint, fit, loop, shares, surroundings
from vaelib.training import rows as rows_room
from vaelib.training import step as steps
from vaelib.training.rows import Rows
from vaelib.training.run import Run

CPU, META, GPU = (torch.device(name) for name in ("cpu", "meta", "cuda:1"))


@pytest.mark.parametrize("fits", [True, False])
def test_data_move_to_the_device_if_they_fit_and_else_row_by_row(monkeypatch, fits):
    asked = []
    monkeypatch.setattr(rows_room, "_fits", lambda *what: asked.append(what) or fits)
    rows = Rows("x", X, META, torch.float32)
    ((x, place),) = asked
    assert (x is X, place) == (True, META)
    assert rows.x.device == (META if fits else CPU)
    index = torch.tensor([3, 1], device=META if fits else CPU)
    assert rows[index].device == next(rows.chunks()).device == META
    assert next(rows.chunks()).dtype == torch.float32


def test_numbers_of_rows_may_lie_elsewhere():
    rows = Rows("x", X, META, torch.float64)
    assert rows[torch.tensor([3, 1])].shape == (2, 3)


@pytest.mark.parametrize(
    ("place", "lies", "free", "fits"),
    [
        (CPU, CPU, 0, True),
        (GPU, GPU, 0, True),
        (GPU, CPU, 0, False),
        (GPU, CPU, 2 * 1200, False),
        (GPU, CPU, 2 * 1200 + 1, True),
        (torch.device("cuda:0"), GPU, 0, False),
    ],
)
def test_data_fit_a_gpu_if_they_take_less_than_half_of_what_is_free(
    monkeypatch, place, lies, free, fits
):
    memory = {place: (free, 10**9)}
    monkeypatch.setattr(torch.cuda, "mem_get_info", memory.__getitem__)
    x = SimpleNamespace(device=lies, shape=(50, 3), element_size=lambda: 8)
    assert rows_room._fits(x, place) is fits


@pytest.mark.parametrize(("columns", "sizes"), [(2, [3, 3, 1]), (7, [1] * 7)])
def test_whole_data_come_in_portions_of_so_many_values(monkeypatch, columns, sizes):
    monkeypatch.setattr(rows_room, "CHUNK", 6)
    rows = Rows("x", torch.zeros(7, columns), CPU, torch.float32)
    assert [len(part) for part in rows.chunks()] == sizes
    assert [len(part) for part in rows.chunks(5)] == [5, 2]


def test_an_array_that_may_not_be_written_to_is_no_reason_to_warn(recwarn):
    x = X.numpy().copy()
    x.flags.writeable = False
    torch.set_warn_always(True)
    try:
        Rows("x", x, CPU, torch.float64)
    finally:
        torch.set_warn_always(False)
    assert not recwarn.list


def run_on(place):
    model = small_vae()
    rows = Rows("x", X, place, torch.float64)
    return Run(
        model, rows, None, SGD(model.parameters(), lr=0.1), batch_size=16, shuffle=True, judge=None
    )


def test_sums_and_order_lie_where_the_data_do():
    run = run_on(META)
    assert run.sums.device == META
    assert next(run.minibatches()).device == META


def test_a_run_that_has_not_begun_knows_the_noise_that_it_begins_with():
    run = run_on(CPU)
    assert torch.equal(run.state()["random"]["start"]["cpu"], torch.get_rng_state())


def test_the_weight_of_the_divergence_lies_with_the_data_in_their_precision():
    rows = Rows("x", X, META, torch.bfloat16)
    step = steps.Step(rows, torch.nn.Identity(), SGD(small_vae().parameters(), lr=0.1), 16)
    assert (step.beta.device, step.beta.dtype) == (META, torch.bfloat16)


def rows_on(place, lies):
    x = SimpleNamespace(device=lies)
    return SimpleNamespace(place=place, x=x, dtype=torch.float32)


@pytest.mark.parametrize(
    ("rows", "capturable", "recorded"),
    [
        (rows_on(GPU, GPU), True, True),
        (rows_on(GPU, GPU), False, False),
        (rows_on(GPU, CPU), True, False),
        (rows_on(CPU, CPU), True, False),
    ],
)
def test_a_step_is_recorded_where_data_and_optimizer_are_on_a_gpu(rows, capturable, recorded):
    groups = [{"capturable": True}, {"capturable": capturable}]
    assert steps._recordable(rows, SimpleNamespace(param_groups=groups)) is recorded


def test_a_step_asks_whether_it_can_be_recorded_and_several_processes_do_not(monkeypatch):
    asked = []
    monkeypatch.setattr(steps, "_recordable", lambda *what: asked.append(what) or True)
    rows, optimizer = Rows("x", X, CPU, torch.float64), SGD(small_vae().parameters(), lr=0.1)
    assert steps.Step(rows, None, optimizer, 16).record
    assert asked == [(rows, optimizer)]
    monkeypatch.setattr(shares, "size", lambda: 2)
    assert not steps.Step(rows, None, optimizer, 16).record


@pytest.mark.parametrize(
    ("optimizer", "place", "capturable"),
    [(ADAM, GPU, True), (ADAM, CPU, False), (Adam, GPU, False), (partial(Adam), GPU, False)],
)
def test_our_own_optimizer_can_be_recorded_on_a_gpu(optimizer, place, capturable):
    (group,) = loop._optimizer(optimizer, list(small_vae().parameters()), 0.1, place).param_groups
    assert (group["capturable"], group["lr"]) == (capturable, 0.1)


@pytest.fixture
def asked(monkeypatch):
    """What fit asks of its surroundings."""
    seen = {}

    def spy(name):
        inner = getattr(loop, name)

        @contextmanager
        def outer(*what):
            seen[name] = what
            with inner(*(CPU if w == "elsewhere" else w for w in what)) as given:
                yield given

        monkeypatch.setattr(loop, name, outer)

    def distribute(loss, place):
        seen["distribute"] = place
        return loss

    def keeper(*what):
        seen["keeper"] = what
        return inner_keeper(*what)

    inner_keeper = loop.Keeper
    for name in ("borrowed", "fast_matmul", "kept_memory"):
        spy(name)
    monkeypatch.setattr(shares, "distribute", distribute)
    monkeypatch.setattr(loop, "Keeper", keeper)
    return seen


def test_a_run_asks_for_its_device_and_the_precision_of_its_parameters(asked):
    model = small_vae()
    fit(model, X, epochs=1, device="elsewhere", seed=4, progress=False)
    assert asked["borrowed"] == (model, "elsewhere", 4)
    assert asked["fast_matmul"] == (CPU, torch.float64)
    assert asked["kept_memory"] == (CPU,)
    assert asked["distribute"] == CPU
    assert asked["keeper"][0] == Checkpoint(None, 60.0)


class Moving(torch.nn.Module):
    """Says where it is; of several GPUs, the third is meant where none is named."""

    place = CPU

    def to(self, place):
        self.place = torch.device("cuda:2") if place == torch.device("cuda") else place
        return self

    def parameters(self):
        yield SimpleNamespace(device=self.place)


@pytest.fixture
def gpus(monkeypatch):
    """Three GPUs, each with a generator; what was asked of them."""
    forked = []
    monkeypatch.setattr(torch.random, "fork_rng", lambda devices: block(forked, devices))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    return forked


@contextmanager
def block(forked, devices):
    forked.append(list(devices))
    yield


@pytest.mark.parametrize(
    ("asked", "given"), [("cuda", "cuda:2"), ("cuda:1", "cuda:1"), ("cpu", "cpu"), (None, "cpu")]
)
def test_a_device_has_the_name_that_its_tensors_give_it(gpus, asked, given):
    model = Moving()
    with surroundings.borrowed(model, asked, 0) as place:
        assert place == torch.device(given)
    assert model.place == CPU


@pytest.mark.parametrize(
    ("place", "in_use", "kept"),
    [("cpu", False, []), ("cpu", True, [0, 1, 2]), ("cuda:1", False, [0, 1, 2])],
)
def test_every_generator_that_a_seed_reaches_is_put_back(gpus, monkeypatch, place, in_use, kept):
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: in_use)
    with surroundings.borrowed(Moving(), place, 0):
        assert gpus == [kept]


def test_without_a_file_nobody_reads_all_the_data_for_it(monkeypatch):
    monkeypatch.setattr(Rows, "fingerprint", lambda self: pytest.fail("read"))
    fit(small_vae(), X, epochs=1, progress=False)


def test_unless_told_otherwise_128_rows_make_a_step_of_a_thousandth():
    x = torch.cat([X] * 6)[:257]
    told, untold, sizes = small_vae(), small_vae(), []
    untold.encoder.register_forward_pre_hook(lambda _, given: sizes.append(len(given[0])))
    fit(told, x, epochs=1, batch_size=128, learning_rate=1e-3, progress=False)
    fit(untold, x, epochs=1, progress=False)
    assert sizes == [128, 128, 1]
    assert torch.equal(parameters(told), parameters(untold))


def test_a_schedule_is_asked_for_no_epoch_that_is_not_trained():
    asked = []
    fit(small_vae(), X, epochs=1, learning_rate=lambda e: asked.append(e) or 0.1, progress=False)
    assert set(asked) == {0}
