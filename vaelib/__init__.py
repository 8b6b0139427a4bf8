"""Variational autoencoders whose objectives are proven on models with known answers."""

__version__ = "0.1.0"
