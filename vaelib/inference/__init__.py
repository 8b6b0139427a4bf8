"""Inference by other means than the bound: wake-sleep, and what the paper compares itself with."""

from vaelib.inference.wake_sleep import wake_sleep

__all__ = ["wake_sleep"]
