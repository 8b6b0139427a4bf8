"""Which rows are odd: a VAE beside well-known detectors, on the same tables: ``make detectors``."""
