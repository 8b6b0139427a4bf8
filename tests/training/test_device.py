"""What runs on a GPU, on one; without one, on the processor, with a stand-in for a graph.

``make gpu`` runs these on a machine with a GPU and records what they say.
"""

from contextlib import suppress

import pytest
import torch
from torch.distributions import Independent, Normal

from tests.training.test_resume import Cut
from tests.training.test_shares import RUNS
from tests.training.test_training import X, parameters, small_vae, train
from vaelib.objectives import ELBO, log_evidence
from vaelib.training import Checkpoint, evaluate
from vaelib.training import rows as rows_room
from vaelib.training import step as steps
from vaelib.training.checkpoint import Keeper

GPU = torch.cuda.is_available()
DEVICE = "cuda" if GPU else "cpu"
needs_gpu = pytest.mark.skipif(not GPU, reason="needs a GPU")


class Graph:
    """What a recorded graph does, on a processor: it makes the step again, with what is there."""

    def __init__(self, step):
        self.step = step

    def replay(self):
        self.step.sums = self.step.plain(self.step.index, lambda loss: None)


@pytest.fixture
def replays(monkeypatch):
    """Counts the replays; without a GPU, what is replayed is the stand-in."""

    def recorded(self, index):
        self.index, self.graph = index.clone(), Graph(self)
        return True

    if not GPU:
        monkeypatch.setattr(steps, "_recordable", lambda rows, optimizer: True)
        monkeypatch.setattr(steps.Step, "_aside", steps.Step.plain)
        monkeypatch.setattr(steps.Step, "_recorded", recorded)
    kind, made = torch.cuda.CUDAGraph if GPU else Graph, []
    inner = kind.replay
    monkeypatch.setattr(kind, "replay", lambda self: made.append(1) or inner(self))
    return made


def weights(name, device=DEVICE, seed=0, **others):
    """The parameters at the end of one of the runs, and what was seen."""
    make, x, settings = RUNS[name]
    model = make(seed)
    history = train(model, x, **{"epochs": 3, "device": device} | settings | others)
    return parameters(model), [tuple(t) for t in history.train + history.validation]


def same(a, b):
    """The numbers of two runs, up to rounding."""
    for one, other in zip(a, b, strict=True):
        one, other = (torch.as_tensor(each, dtype=torch.float64) for each in (one, other))
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-11, equal_nan=True)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", RUNS)
def test_replayed_steps_make_the_weights_and_averages_of_plain_ones(name, replays, monkeypatch):
    by_graph = weights(name)
    assert len(replays) == 3 * 3 - steps.WARM_UP  # of four steps an epoch the last is not full
    monkeypatch.setattr(steps, "_recordable", lambda rows, optimizer: False)
    same(by_graph, weights(name))
    assert len(replays) == 3 * 3 - steps.WARM_UP


@pytest.mark.usefixtures("replays")
@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("cut", [2, 5, 8, 10])
def test_a_run_that_was_cut_ends_with_the_same_weights_to_the_bit(name, cut, tmp_path, monkeypatch):
    whole, seen = weights(name)
    keep = {"checkpoint": Checkpoint(tmp_path / "run.pt", every=0, resume=True)}
    with suppress(Cut), monkeypatch.context() as patch:
        patch.setattr(Keeper, "sometimes", cutting(cut))
        weights(name, **keep)
    resumed, seen_too = weights(name, seed=5, **keep)
    assert torch.equal(resumed, whole)
    same([seen_too], [seen])


def cutting(steps_left):
    """Write the state after each step, and stop after so many."""
    left = [steps_left]

    def sometimes(self, run):
        self.write(run)
        left[0] -= 1
        if not left[0]:
            raise Cut

    return sometimes


def test_data_that_do_not_fit_the_device_train_the_same_model(replays, monkeypatch):
    resident = weights("bytes")
    made = len(replays)
    monkeypatch.setattr(rows_room, "_fits", lambda x, device: False)
    same(resident, weights("bytes"))
    assert len(replays) == (made if GPU else 2 * made)


NAMES = ["cuda", "cuda:0", torch.device("cuda")] if GPU else ["cpu", torch.device("cpu"), None]


@pytest.mark.parametrize("device", NAMES, ids=str)
def test_whatever_a_device_is_called_its_steps_are_replayed(device, replays):
    same(weights("plain", device), weights("plain", DEVICE))
    model = small_vae().to(DEVICE)  # already there, so that it need not be named
    train(model, X.to(DEVICE), epochs=3)
    same([parameters(model).cpu()], [weights("plain")[0]])
    assert len(replays) == 4 * (3 * 3 - steps.WARM_UP)


@pytest.mark.parametrize("device", sorted({"cpu", DEVICE}))
def test_training_leaves_the_random_state_and_the_models_place(device):
    def states():
        return [torch.get_rng_state(), *(torch.cuda.get_rng_state_all() if GPU else ())]

    model = small_vae()
    torch.rand(3, device=DEVICE)
    before = states()
    train(model, device=device)
    assert all(map(torch.equal, before, states()))
    assert {(p.device.type, p.grad) for p in model.parameters()} == {("cpu", None)}


class Examined(torch.nn.Module):
    """An encoder whose distribution looks at its values, as torch's do unless told otherwise."""

    def __init__(self, encoder):
        super().__init__()
        self.encoder = encoder

    def forward(self, x):
        q = self.encoder(x).base_dist
        return Independent(Normal(q.loc, q.scale, validate_args=True), 1)


def test_a_model_that_looks_at_its_values_is_trained_plainly(recwarn):
    model = small_vae()
    model.encoder = Examined(model.encoder)
    train(model, epochs=3, device=DEVICE)
    same([parameters(model)], [weights("plain")[0]])
    said = [str(w.message) for w in recwarn if "made plainly" in str(w.message)]
    assert len(said) == GPU
    assert all("waits for the GPU in" in each and "distribution" in each for each in said)


@needs_gpu
def test_run_after_run_no_memory_of_the_gpu_is_lost():
    held = []
    for _ in range(6):
        weights("plain")
        held.append(torch.cuda.memory_allocated())
    assert held[-1] - held[1] < 2**20


def test_a_device_learns_what_a_processor_does():
    models = small_vae(), small_vae()
    for model, device in zip(models, ("cpu", DEVICE), strict=True):
        train(model, epochs=30, learning_rate=1e-2, device=device)
    bounds = [evaluate(model, X, ELBO(samples=500)).elbo for model in models]
    assert bounds[0] == pytest.approx(bounds[1], abs=0.3)
    assert bounds[0] > evaluate(small_vae(), X, ELBO(samples=500)).elbo + 1


def test_the_evidence_and_the_bound_are_the_same_on_a_device():
    train(model := small_vae(), epochs=30, learning_rate=1e-2)
    here, kl = log_evidence(model, X, samples=4000), evaluate(model, X).kl
    model.to(DEVICE)
    there = log_evidence(model, X.to(DEVICE), samples=4000)
    assert there.mean.device.type == DEVICE
    assert evaluate(model, X).kl == pytest.approx(kl, rel=1e-12)
    error = here.standard_error.hypot(there.standard_error.cpu())
    assert ((here.mean - there.mean.cpu()).abs() < 6 * error).all()
    assert error.max() < 0.2
