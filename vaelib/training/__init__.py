"""Training: one loop that maximises a lower bound over minibatches, and never loses a run."""

from vaelib.training.evaluation import active_units, evaluate
from vaelib.training.history import History, Terms
from vaelib.training.loop import ADAM, fit

__all__ = ["ADAM", "History", "Terms", "active_units", "evaluate", "fit"]
