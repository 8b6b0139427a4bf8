"""Other ways to learn and to infer: beside the encoder, and beyond one value for each weight."""

from vaelib.inference.uncertain import UncertainDecoder
from vaelib.inference.variational_bayes import log_predictive, variational_bayes

__all__ = ["UncertainDecoder", "log_predictive", "variational_bayes"]
