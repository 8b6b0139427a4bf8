"""Training: one loop that maximises a lower bound over minibatches, and never loses a run."""

from vaelib.training.evaluation import evaluate
from vaelib.training.history import History, Terms
from vaelib.training.loop import ADAM, fit

__all__ = ["ADAM", "History", "Terms", "evaluate", "fit"]
