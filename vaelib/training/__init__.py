"""Training: one loop that maximises a lower bound over minibatches, and never loses a run."""

from vaelib.training.checkpoint import Checkpoint
from vaelib.training.evaluation import active_units, evaluate
from vaelib.training.history import History
from vaelib.training.loop import ADAM, fit
from vaelib.training.run import Validation
from vaelib.training.step import Loss
from vaelib.training.watch import TensorBoard

__all__ = [
    "ADAM",
    "Checkpoint",
    "History",
    "Loss",
    "TensorBoard",
    "Validation",
    "active_units",
    "evaluate",
    "fit",
]
