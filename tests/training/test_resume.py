"""A run that is stopped anywhere ends with the weights, to the bit, of one that never was."""

import math
import os
import signal
import subprocess
import sys
import textwrap
import zipfile
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest
import torch

from tests.training.test_training import GREY, X, parameters, small_vae, train
from vaelib.models import VAE, BernoulliDecoder, GaussianEncoder, StandardNormal
from vaelib.objectives import ELBO, elbo
from vaelib.training import Checkpoint, Validation, checkpoint


class Cut(Exception):
    pass


def cut_after(model, steps):
    """Raise in the forward pass that follows so many training steps."""
    left = [steps]

    def count(module, arguments):
        if module.training:
            left[0] -= 1
            if left[0] < 0:
                raise Cut

    return model.encoder.register_forward_pre_hook(count)


def coins(seed=0):
    torch.manual_seed(seed)
    return small_vae(seed, BernoulliDecoder(2, [4], 3))


def falling(epoch):
    return 0.01 / (1 + epoch)


RUNS = {
    "plain": (small_vae, X, {}),
    "several samples": (small_vae, X, {"objective": ELBO(3, "sampled", 0.5)}),
    "free bits": (small_vae, X, {"objective": ELBO(free_bits=0.1)}),
    "rows in order": (small_vae, X, {"shuffle": False}),
    "a falling step size": (small_vae, X, {"learning_rate": falling}),
    "pixels drawn": (coins, GREY, {"binarise": True, "validation": GREY[:20]}),
    "patience": (small_vae, X, {"validation": Validation(X[:9], 1), "learning_rate": 0.05}),
}


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 7, 11])
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
    assert resumed == seen


def test_a_finished_run_can_be_made_longer(tmp_path):
    whole, short = small_vae(), small_vae()
    seen = train(whole, epochs=4)
    keep = {"checkpoint": Checkpoint(tmp_path / "run.pt", resume=True)}
    train(short, epochs=2, **keep)
    again = small_vae(seed=3)
    assert train(again, epochs=2, **keep).train == seen.train[:2]
    assert torch.equal(parameters(again), parameters(short))
    assert train(again, epochs=4, **keep) == seen
    assert torch.equal(parameters(again), parameters(whole))


def test_a_longer_run_takes_the_step_size_of_its_epoch(tmp_path):
    whole, short = small_vae(), small_vae()
    keep = {"checkpoint": Checkpoint(tmp_path / "run.pt", resume=True), "learning_rate": falling}
    train(whole, epochs=4, learning_rate=falling)
    train(short, epochs=2, **keep)
    train(short, epochs=4, **keep)
    assert torch.equal(parameters(short), parameters(whole))


def test_without_a_file_resuming_starts(tmp_path):
    plain, resumed = small_vae(), small_vae()
    train(plain)
    train(resumed, checkpoint=Checkpoint(tmp_path / "new/run.pt", resume=True))
    assert torch.equal(parameters(plain), parameters(resumed))
    assert (tmp_path / "new/run.pt").is_file()


OTHERS = {
    "batch_size": 10,
    "learning_rate": 1e-2,
    "seed": 1,
    "optimizer": torch.optim.SGD,
    "validation": X[:5],
    "x": X.flip(0),
    "shuffle": False,
    "objective": elbo,
}
OBJECTIVES = ({"samples": 2}, {"kl": "sampled"}, {"beta": 0.5}, {"free_bits": 0.2})


@pytest.mark.parametrize("name", OTHERS)
def test_other_settings_are_an_error_that_names_them(name, tmp_path):
    path = tmp_path / "run.pt"
    keep = {"checkpoint": Checkpoint(path, resume=True)}
    train(small_vae(), **keep)
    with pytest.raises(
        ValueError, match=f"^{path} belongs to a run with other settings: {name} was .*, is "
    ) as error:
        train(small_vae(), **({"epochs": 3} | keep | {name: OTHERS[name]}))
    assert ";" not in str(error.value)


@pytest.mark.parametrize("changed", OBJECTIVES)
def test_another_setting_of_the_objective_is_an_error(changed, tmp_path):
    keep = {"checkpoint": Checkpoint(tmp_path / "run.pt", resume=True)}
    train(small_vae(), **keep)
    ((name, value),) = changed.items()
    with pytest.raises(ValueError, match=f"settings: {name} was .*, is {value}$"):
        train(small_vae(), objective=ELBO(**changed), **keep)


def test_pixels_that_were_drawn_and_now_are_not_are_an_error(tmp_path):
    keep = {"checkpoint": Checkpoint(tmp_path / "run.pt", resume=True), "x": GREY.round()}
    train(coins(), binarise=True, **keep)
    with pytest.raises(ValueError, match=r"other settings: binarise was True, is False$"):
        train(coins(), **keep)


def test_another_model_is_an_error(tmp_path):
    keep = {"checkpoint": Checkpoint(tmp_path / "run.pt", resume=True)}
    train(small_vae(), **keep)
    other = VAE(StandardNormal(1), GaussianEncoder(3, [4], 1), BernoulliDecoder(1, [4], 3))
    with pytest.raises(ValueError, match="run with other settings: model was VAE"):
        train(other.double(), GREY, binarise=True, **keep)


def damaged(path, how):
    whole = path.read_bytes()
    if how == "cut short":
        path.write_bytes(whole[: len(whole) // 2])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "words":
        path.write_text("epoch 3")
    elif how == "zip":
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("a", "b")
    elif how == "altered":
        at = whole.index(b"data/", len(whole) // 3) + len(whole) // 3
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    elif how == "other":
        torch.save({"a": torch.zeros(2)}, path)
    elif how == "newer":
        torch.save(torch.load(path, weights_only=True) | {"version": 99}, path)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("cut short", "is no checkpoint, or not a whole one"),
        ("empty", "is no checkpoint, or not a whole one"),
        ("words", "is no checkpoint, or not a whole one"),
        ("zip", "is no checkpoint, or not a whole one"),
        ("altered", "is no checkpoint, or not a whole one .*"),
        ("other", "is no checkpoint of vaelib"),
        ("newer", "was written by a newer vaelib: format 99"),
    ],
)
def test_what_is_no_checkpoint_is_said_in_a_sentence(how, message, tmp_path):
    path = tmp_path / "run.pt"
    train(small_vae(), checkpoint=path)
    damaged(path, how)
    with pytest.raises(ValueError, match=f"^{path} {message}") as error:
        train(small_vae(), checkpoint=Checkpoint(path, resume=True))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("how", ["cut short", "empty", "altered", "words"])
def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(how, tmp_path):
    path = tmp_path / "run.pt"
    train(small_vae(), epochs=2, checkpoint=path)
    train(small_vae(), epochs=4, checkpoint=Checkpoint(path, resume=True))
    damaged(path, how)
    goes_on, whole = small_vae(), small_vae()
    with pytest.warns(
        UserWarning, match=f"^{path} is no checkpoint.* the state before it is taken"
    ):
        train(goes_on, epochs=6, checkpoint=Checkpoint(path, resume=True))
    train(whole, epochs=6)
    assert torch.equal(parameters(goes_on), parameters(whole))
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "run.pt", "run.pt.damaged", "run.pt.previous",
    ]  # fmt: skip
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
    steps = count()

    def once(*_):
        if next(steps) == 50:
            signal.raise_signal(signal.SIGINT)

    hook = model.encoder.register_forward_pre_hook(once)
    history = train(model, **keep)
    hook.remove()
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
    def twice(*_):
        for _ in range(2):
            signal.raise_signal(signal.SIGINT)

    model, handler = small_vae(), signal.getsignal(signal.SIGINT)
    model.encoder.register_forward_pre_hook(twice)
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
def test_a_run_killed_fifty_times_writing_included_ends_with_the_same_weights(
    tmp_path, record_property
):
    path, out = tmp_path / "run.pt", tmp_path / "weights.pt"
    root = Path(__file__).parents[2]
    program = textwrap.dedent(KILLED.format(root=str(root), path=str(path), out=str(out)))
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    killed, writing, further = map(int, done.stdout.split())
    assert killed == KILLS
    record_property("times killed", killed)
    record_property("of them while writing", writing)
    assert writing > 0
    assert further > KILLS / 2
    whole = coins()
    train(whole, GREY, epochs=EPOCHS, binarise=True)
    assert torch.equal(torch.load(out), parameters(whole))
