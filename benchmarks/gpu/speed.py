"""How fast: an epoch of MNIST, the recorded step beside the plain one, ``log_evidence``."""

from __future__ import annotations

from functools import partial
from operator import attrgetter

import torch
from torch.nn.utils import parameters_to_vector
from torch.optim import Adam
from torch.profiler import ProfilerActivity, profile

from benchmarks import contestants, evidence, training
from benchmarks.gpu.found import Found, Scale, pixels
from benchmarks.setting import Setting
from benchmarks.turns import Entry, interleave
from vaelib.training import ADAM, Steps, fit

SMALL = (contestants.FIT, contestants.LEAN, contestants.OBJECTIVE)
GROUPS = (
    ("ELBO, batch 128", Setting(), {name: contestants.ELBO[name] for name in SMALL}, 32 * 128),
    ("ELBO, batch 4,096", Setting(batch=4096), contestants.LARGE, 3 * 4096),
)
CLASSIC = "classic script"
WAYS = {"recorded": ADAM, "plain": partial(Adam, fused=True)}  # what is not capturable is plain


def epoch(found: Found, device: str, s: Scale) -> None:
    """An epoch at batch 128 and 4,096, beside the machine's limits; then the classic script."""
    x = pixels(s)[0].to(device)
    measured = training.measure(x, device, s.rounds, s.turn, GROUPS)
    found.note(**measured)
    group = measured["groups"][0]
    seconds = group["images"] / group["rows"][0]["speed"][1]
    found.target("seconds of an epoch at batch 128", seconds, most=s.epoch)
    ours, classic = (
        Entry(n, contestants.ELBO[n](Setting(), x)) for n in (contestants.FIT, CLASSIC)
    )
    interleave([ours.warm_up(device, s.turn), classic], device, rounds=2)  # seconds an epoch: few
    found.note(classic={e.name: e.seconds for e in (ours, classic)})
    found.target("times the classic script", classic.median / ours.median, least=s.classic)


def recorded(found: Found, device: str, s: Scale) -> None:
    """The recorded step beside the plain one: the time of an epoch, and the weights after it."""
    x = pixels(s)[0].to(device)
    for batch in (128, 4096):
        entries = [_trained(name, Setting(batch=batch), x) for name in WAYS]
        interleave([e.warm_up(device, s.turn) for e in entries], device, s.rounds)
        by_graph, plain = (e.median for e in entries)
        found.note(**{f"batch {batch}": {"recorded": by_graph, "plain": plain}})
        found.target(f"times the plain step, batch {batch}", plain / by_graph, least=s.faster)
    one, other = (_trained(name, Setting(), x).run(1) for name in WAYS)
    apart = float((one - other).norm() / other.norm())
    found.target("relative distance of the weights after an epoch", apart, most=1e-3)


def _trained(name: str, s: Setting, x) -> Entry:
    torch.manual_seed(0)
    model = s.model()
    settings = {
        "batch_size": s.batch,
        "learning_rate": Steps(optimizer=WAYS[name]),
        "progress": False,
    }

    def run(epochs: int):
        fit(model, x, epochs=epochs, device=x.device, **settings)
        return parameters_to_vector(model.parameters()).detach()

    return Entry(name, run)


def kernels(found: Found, device: str, s: Scale) -> None:
    """What 64 steps of a run spend the device's time on: the name, how often, microseconds."""
    run = _trained("recorded", Setting(), pixels(s)[0][: 64 * 128].to(device)).run
    run(1)
    kind = "CUDA" if device == "cuda" else "CPU"
    with profile(activities=[getattr(ProfilerActivity, kind)]) as profiled:
        run(1)
    spent = attrgetter(f"self_{'device' if device == 'cuda' else 'cpu'}_time_total")
    events = sorted(profiled.key_averages(), key=spent, reverse=True)
    found.note(launches=sum(e.count for e in events), busy=sum(map(spent, events)) / 1e6)
    found.note(longest=[[e.key, e.count, spent(e)] for e in events[:20]])


def bound(found: Found, device: str, s: Scale) -> None:
    """``log_evidence`` beside the machine's limits, by how many decoded images are held."""
    shares = []
    for chunk in s.chunks:
        measured = evidence.measure(pixels(s)[1], device, s.rounds, s.turn, chunk)
        found.note(**{f"chunk {chunk}": measured})
        shares += [part["floor"] for part in measured["parts"]]
    found.target("share of the machine's limit, at best", max(shares), least=s.roofline)
