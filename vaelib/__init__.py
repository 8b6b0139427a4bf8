"""Variational autoencoders whose objectives are proven on models with known answers."""

__version__ = "0.1.0"


def load(run):
    """The trained model of a run folder, wherever it was trained, on the processor.

    Args:
        run: the folder that ``python -m vaelib train --out`` has written.

    Returns:
        A :class:`~vaelib.models.VAE` in ``eval`` mode, with its ``settings``.

    Raises:
        ValueError: the folder holds no run, or a damaged one.
    """
    from pathlib import Path

    from vaelib.commands import folder

    model, model.settings = folder.load(Path(run))
    return model
