"""A run that is stopped anywhere ends with the weights, to the bit, of one that never was."""

import io
import math
import os
import signal
import textwrap
import zipfile
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest
import torch

from tests.cases import cases, python
from tests.training.test_training import GREY, RUNS, coins, falling, parameters, small_vae, train
from vaelib.models import VAE, BernoulliDecoder, GaussianEncoder, StandardNormal
from vaelib.objectives import ELBO, elbo
from vaelib.training import Checkpoint, Steps, checkpoint


class Cut(Exception):
    pass


def at_step(model, step, number):
    """Send oneself a signal in a step; count the steps."""
    steps = []

    def send(*_):
        steps.append(1)
        if len(steps) == step:
            signal.raise_signal(number)

    model.encoder.register_forward_pre_hook(send)
    return steps


def cut_after(model, steps):
    """Raise in the forward pass that follows so many training steps."""
    left = [steps]

    def count(module, arguments):
        if module.training:
            left[0] -= 1
            if left[0] < 0:
                raise Cut

    return model.decoder.register_forward_pre_hook(count)


@pytest.mark.parametrize("steps", [1, 3, 4, 7, 11])
@pytest.mark.parametrize("run", RUNS)
def test_a_run_cut_anywhere_goes_on_as_if_nothing_had_happened(run, steps, tmp_path):
    make, x, settings = RUNS[run]
    whole, first, second = make(), make(), make(seed=5)
    settings = settings | {"epochs": 3}  # of 4 steps each
    seen = train(whole, x, **settings)
    keep = {"checkpoint": Checkpoint(tmp_path / "run.pt", every=0, resume=True)}
    cut = cut_after(first, steps)
    with suppress(Cut):
        train(first, x, **settings, **keep)
    cut.remove()
    resumed = train(second, x, **settings, **keep)
    assert torch.equal(parameters(whole), parameters(second))
    assert repr(resumed) == repr(seen)  # not a number is itself


@pytest.mark.parametrize("rate", [1e-3, falling])
def test_a_finished_run_can_be_made_longer(rate, tmp_path):
    whole, short = small_vae(), small_vae()
    seen = train(whole, epochs=4, learning_rate=rate)
    keep = {"checkpoint": Checkpoint(tmp_path / "run.pt", resume=True), "learning_rate": rate}
    train(short, epochs=2, **keep)
    again = small_vae(seed=3)
    assert train(again, epochs=2, **keep).train == seen.train[:2]
    assert torch.equal(parameters(again), parameters(short))
    assert train(again, epochs=4, **keep) == seen
    assert torch.equal(parameters(again), parameters(whole))


BITS = GREY.round()
OTHERS = {
    "batch_size": {"batch_size": 10},
    "learning_rate": {"learning_rate": 1e-2},
    "seed": {"seed": 1},
    "optimizer": {"learning_rate": Steps(optimizer=torch.optim.SGD)},
    "validation": {"validation": BITS[:5]},
    "x": {"x": BITS.flip(0)},
    "shuffle": {"learning_rate": Steps(shuffle=False)},
    "binarise": {"binarise": True},
    "objective": {"objective": elbo},
    "samples": {"objective": ELBO(samples=2)},
    "kl": {"objective": ELBO(kl="sampled")},
    "beta": {"objective": ELBO(beta=0.5)},
    "free_bits": {"objective": ELBO(free_bits=0.2)},
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_settings_are_an_error_that_names_them(name, tmp_path):
    path = tmp_path / "run.pt"
    keep = {"x": BITS, "checkpoint": Checkpoint(path, resume=True)}
    train(coins(), **keep)
    message = f"^{path} belongs to a run with other settings: {name} was [^;]*, is [^;]*$"
    with pytest.raises(ValueError, match=message):
        train(coins(), **({"epochs": 3} | keep | OTHERS[name]))


def test_another_model_is_an_error(tmp_path):
    keep = {"checkpoint": Checkpoint(tmp_path / "run.pt", resume=True)}
    train(small_vae(), **keep)
    other = VAE(StandardNormal(1), GaussianEncoder(3, [4], 1), BernoulliDecoder(1, [4], 3))
    with pytest.raises(ValueError, match="run with other settings: model was VAE"):
        train(other.double(), GREY, binarise=True, **keep)


def zipped(whole):
    with zipfile.ZipFile(file := io.BytesIO(), "w") as members:
        members.writestr("a", "b")
    return file.getvalue()


DAMAGES = {
    "cut short": lambda whole: whole[: len(whole) // 2],
    "empty": lambda whole: b"",
    "words": lambda whole: b"epoch 3",
    "another zip file": zipped,
}


@cases(
    (lambda state: {"a": torch.zeros(2)}, "is no checkpoint of vaelib"),
    (lambda state: state | {"version": 99}, "was written by a newer vaelib: format 99"),
)
def test_a_foreign_checkpoint_is_refused(tmp_path, changed, message):
    path = tmp_path / "run.pt"
    train(small_vae(), checkpoint=path)
    torch.save(changed(torch.load(path, weights_only=True)), path)
    with pytest.raises(ValueError, match=f"^{path} {message}$"):
        train(small_vae(), checkpoint=Checkpoint(path, resume=True))


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(how, tmp_path):
    path = tmp_path / "run.pt"
    keep = Checkpoint(path, every=0, resume=True)
    train(small_vae(), epochs=2, checkpoint=path)
    damaged = DAMAGES[how](path.read_bytes())
    path.write_bytes(damaged)
    said = f"{path} is no checkpoint, or not a whole one .*"
    with pytest.raises(ValueError, match=f"^{said}$"):
        train(small_vae(), checkpoint=keep)
    path.unlink()
    train(small_vae(), epochs=2, checkpoint=path)
    train(small_vae(), epochs=4, checkpoint=Checkpoint(path, resume=True))
    path.write_bytes(damaged)
    goes_on, whole = small_vae(), small_vae()
    with pytest.warns(UserWarning, match=f"^{said}; the state before it is taken$"):
        train(goes_on, epochs=6, checkpoint=keep)
    train(whole, epochs=6)
    assert torch.equal(parameters(goes_on), parameters(whole))
    names = ["run.pt", "run.pt.damaged", "run.pt.previous"]
    assert sorted(p.name for p in tmp_path.iterdir()) == names
    assert (tmp_path / "run.pt.damaged").read_bytes() == damaged
    assert checkpoint.load(path)["progress"]["epoch"] == 6


def test_a_gradient_that_is_not_finite_leaves_the_last_good_state(tmp_path):
    path, model, steps = tmp_path / "run.pt", small_vae(), count()
    first = next(model.parameters())
    first.register_hook(lambda g: g * (math.nan if next(steps) == 7 else 1))
    name = next(name for name, p in model.named_parameters() if p is first)
    with pytest.raises(FloatingPointError, match=f"parameter {name} is not finite after step .*"):
        train(model, epochs=10, checkpoint=Checkpoint(path, every=0))
    state = checkpoint.load(path)
    assert all(value.isfinite().all() for value in state["model"].values())
    train(goes_on := small_vae(), epochs=10, checkpoint=Checkpoint(path, every=0, resume=True))
    train(whole := small_vae(), epochs=10)
    assert torch.equal(parameters(goes_on), parameters(whole))


@pytest.fixture
def interruptible():
    """Python's own handler, which is missing where tests are started in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_an_interrupt_ends_after_a_step_with_the_model_usable(tmp_path):
    model, handler = small_vae(), signal.getsignal(signal.SIGINT)
    keep = {"checkpoint": Checkpoint(tmp_path / "run.pt", resume=True), "epochs": 300}
    at_step(model, 51, signal.SIGINT)
    history = train(model, **keep)
    assert history.stopped == "interrupted"
    assert 0 < len(history.train) < 300
    assert parameters(model).isfinite().all()
    assert signal.getsignal(signal.SIGINT) is handler
    resumed, whole = small_vae(), small_vae()
    further = {"epochs": len(history.train) + 2}
    train(resumed, **keep | further)
    train(whole, **further)
    assert torch.equal(parameters(resumed), parameters(whole))


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.usefixtures("interruptible")
def test_a_second_interrupt_acts_as_ever():
    model, handler = small_vae(), signal.getsignal(signal.SIGINT)
    for _ in range(2):
        at_step(model, 1, signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        train(model)
    assert signal.getsignal(signal.SIGINT) is handler


KILLS, EPOCHS = 50, 250
# a process that forks, so that each run is killed after milliseconds of training, not of imports
KILLED = """
    import os, pathlib, random, signal, sys, threading, time, torch, tqdm
    tqdm.tqdm.set_lock(threading.RLock())  # its own outlives a killed child that holds it
    sys.path.insert(0, {root!r})
    from tests.training.test_training import GREY, parameters, train
    from tests.training.test_resume import EPOCHS, KILLS, Checkpoint, coins
    torch.set_num_threads(1)
    path, random_moment = pathlib.Path({path!r}), random.Random(0)

    def run():
        model = coins()
        keep = Checkpoint(path, every=0, resume=True)
        train(model, GREY, epochs=EPOCHS, binarise=True, checkpoint=keep)
        torch.save(parameters(model), {out!r})

    def child():
        if pid := os.fork():
            return pid
        try:
            run()
        finally:
            os._exit(0)

    def written():
        return path.stat().st_mtime_ns if path.exists() else 0

    train(coins(), GREY, epochs=1, binarise=True)  # so that nothing is left to import
    killed = writing = further = 0
    for _ in range(KILLS):
        before = seen = written()
        pid = child()
        for _ in range(random_moment.randrange(4)):  # checkpoints, however slow the machine
            while written() == seen:
                time.sleep(0.001)
            seen = written()
        time.sleep(random_moment.uniform(0, 0.02))
        os.kill(pid, signal.SIGKILL)
        killed += os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
        writing += any(p.suffix in (".part", ".spare") for p in path.parent.iterdir())
        further += written() > before
    os.waitpid(child(), 0)
    print(killed, writing, further)
"""


@pytest.mark.not_mutated
@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork")
def test_a_run_killed_fifty_times_ends_with_the_same_weights(tmp_path, record_property):
    path, out = tmp_path / "run.pt", tmp_path / "weights.pt"
    root = Path(__file__).parents[2]
    program = textwrap.dedent(KILLED.format(root=str(root), path=str(path), out=str(out)))
    killed, writing, further = map(int, python("-c", program, timeout=300).split())
    assert killed == KILLS
    record_property("times killed", killed)
    record_property("of them while writing", writing)
    assert writing > 0
    assert further > KILLS / 2
    whole = coins()
    train(whole, GREY, epochs=EPOCHS, binarise=True)
    assert torch.equal(torch.load(out), parameters(whole))
