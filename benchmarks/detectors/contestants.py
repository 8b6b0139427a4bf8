"""Detectors: each learns from ordinary rows and gives others a number, the higher the odder.

The others have the settings that they are shipped with, and see columns in units of their spread.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from sklearn.covariance import EllipticEnvelope
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import LocalOutlierFactor
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

from vaelib.data.csv_file import CSV
from vaelib.data.guessed import guessed
from vaelib.distributions import Column
from vaelib.models import VAE, StandardNormal, TableDecoder, TableEncoder
from vaelib.objectives import log_evidence
from vaelib.training import Validation, fit

OURS = "vaelib, −log p"
LATENT, HIDDEN = 8, [64]
EPOCHS, PATIENCE, HELD_OUT = 500, 30, 0.1
SAMPLES = 300

Detector = Callable[[np.ndarray, np.ndarray, int], np.ndarray]


def ours(train: np.ndarray, test: np.ndarray, seed: int, kind: str | None = None) -> np.ndarray:
    """−log p(x) under a VAE, trained until the bound of a tenth of its rows stops rising."""
    names = [f"column {j}" for j in range(train.shape[1])]
    table = _columns(names, train, kind)
    places = [names.index(column.name) for column in table]
    x, rows = (torch.tensor(v).float() for v in (train, test))
    x, held = x[:, places].split([len(x) - (n := max(8, int(HELD_OUT * len(x)))), n])
    torch.manual_seed(seed)
    encoder, decoder = TableEncoder(table, HIDDEN, LATENT), TableDecoder(LATENT, HIDDEN, table)
    model = VAE(StandardNormal(LATENT), encoder, decoder)
    model.start_at(x)
    judged = Validation(held, patience=PATIENCE)
    how = {"batch_size": 32, "learning_rate": 0.003, "validation": judged, "progress": False}
    fit(model, x, epochs=EPOCHS, seed=seed, **how)
    return -log_evidence(model, rows[:, places], SAMPLES).mean.numpy()


def _columns(names: list[str], rows: np.ndarray, kind: str | None) -> Sequence[Column]:
    """Of the kind that is told, or of those that the library guesses from a CSV file."""
    if kind:
        return [Column(name, kind) for name in names]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        np.savetxt(path, rows, "%.17g", ",", header=",".join(names), comments="")
        return guessed(CSV.of(path), {})[0]


def _scikit(make: Callable[[int], object]) -> Detector:
    return lambda train, test, seed: -make(seed).fit(train).score_samples(test)


def _pyod(name: str, **how) -> Detector:
    def scores(train, test, seed):
        make = getattr(import_module(f"pyod.models.{name.lower()}"), name)
        detector = make(**{"random_state": seed} if name == "VAE" else {}, **how).fit(train)
        parts = np.split(test, len(test)) if name in RANKING else [test]
        return np.concatenate([detector.decision_function(part) for part in parts])

    return scores


def _scaled(detector: Detector) -> Detector:
    def scores(train, test, seed):
        scaler = StandardScaler().fit(train)
        return detector(scaler.transform(train), scaler.transform(test), seed)

    return scores


SCIKIT = {
    "scikit-learn, IsolationForest": lambda seed: IsolationForest(random_state=seed),
    "scikit-learn, LocalOutlierFactor": lambda seed: LocalOutlierFactor(novelty=True),
    "scikit-learn, OneClassSVM": lambda seed: OneClassSVM(),
    "scikit-learn, EllipticEnvelope": lambda seed: EllipticEnvelope(random_state=seed),
}
RANKING = ("ECOD", "COPOD")  # a row among all that are asked about with it, so each is asked alone
PYOD = {"ECOD": {}, "COPOD": {}, "KNN": {}, "VAE": {"verbose": 0, "device": "cpu"}}
PEERS = {name: _scaled(_scikit(make)) for name, make in SCIKIT.items()}
PEERS |= {f"pyod, {name}": _scaled(_pyod(name, **how)) for name, how in PYOD.items()}
