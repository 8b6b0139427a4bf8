"""What comes out: the same curves as on a processor, and what less precision costs."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from benchmarks import limits
from benchmarks.gpu.found import Found, Scale, pixels
from benchmarks.setting import Setting
from benchmarks.turns import Entry, interleave
from vaelib.models import VAE
from vaelib.objectives import ELBO
from vaelib.training import evaluate, fit

SAMPLES = 16  # for the bound on test images
WAYS = {"float32": "highest", "TF32": "high", "bfloat16": "highest"}


class Bfloat16(nn.Sequential):
    """Layers whose products are taken in bfloat16; what comes out is float32."""

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, torch.bfloat16, cache_enabled=False):
            return super().forward(x).float()


def curves(found: Found, device: str, s: Scale) -> None:
    """The same seeds on a processor and on the device: no epoch's averages are apart by more
    than the seeds are among themselves.

    ::

        apart = |mean_cpu − mean_device| / sqrt((var_cpu + var_device) / seeds)
    """
    x = pixels(s)[0][: s.images // 3]
    places = ("cpu", device)
    elbo = [[_curve(x.to(place), seed, s.epochs) for seed in range(s.seeds)] for place in places]
    found.note(cpu=elbo[0], device=elbo[1])
    found.target("standard errors between the curves", apart(*elbo), most=5)


def apart(here: list, there: list) -> float:
    """The largest distance of two means over seeds, in standard errors; ``(seeds, epochs)``."""
    here, there = torch.tensor(here), torch.tensor(there)
    noise = ((here.var(0) + there.var(0)) / len(here)).sqrt()
    return float(((here.mean(0) - there.mean(0)).abs() / noise).max())


def _curve(x: Tensor, seed: int, epochs: int) -> list[float]:
    torch.manual_seed(seed)
    history = fit(Setting().model(), x, epochs=epochs, seed=seed, device=x.device, progress=False)
    return [terms.elbo for terms in history.train]


def precision(found: Found, device: str, s: Scale) -> None:
    """Nats on test images, in float32, that training in TF32 and in bfloat16 costs; and the time.

    The differences are those of equal seeds, with the standard error over them.
    """
    train, test = (part.to(device) for part in pixels(s))
    scores = {way: [_score(way, train, test, n, s) for n in range(s.seeds)] for way in WAYS}
    found.note(nats={way: cost(scores["float32"], scores[way]) for way in WAYS})
    for batch in (128, 4096):
        entries = [_turn(way, Setting(batch=batch), train) for way in WAYS]
        interleave([e.warm_up(device, s.turn / 2) for e in entries], device, s.rounds)
        found.note(**{f"seconds, batch {batch}": {e.name: e.median for e in entries}})


def _score(way: str, train: Tensor, test: Tensor, seed: int, s: Scale) -> float:
    torch.manual_seed(seed)
    model = Setting().model().to(train.device)
    _fit(way, model, train, epochs=s.epochs, seed=seed)
    torch.manual_seed(0)
    return evaluate(_layers(model, nn.Sequential), test, ELBO(SAMPLES)).elbo


def _fit(way: str, model: VAE, x: Tensor, **settings) -> None:
    _layers(model, Bfloat16 if way == "bfloat16" else nn.Sequential)
    with limits.route(WAYS[way]):
        fit(model, x, device=x.device, progress=False, **settings)


def _layers(model: VAE, kind: type[nn.Sequential]) -> VAE:
    for part in (model.encoder, model.decoder):
        part.network = kind(*part.network)
    return model


def _turn(way: str, s: Setting, x: Tensor) -> Entry:
    model = s.model()
    return Entry(way, lambda n: _fit(way, model, x, epochs=n, batch_size=s.batch))


def cost(exact: list[float], scores: list[float]) -> dict:
    lost = torch.tensor(exact, dtype=torch.float64) - torch.tensor(scores, dtype=torch.float64)
    return {"mean": float(lost.mean()), "error": float(lost.std() / len(lost) ** 0.5)}
