"""The pictures of the book. No mathematics happens here."""

from vaelib.plots.charts import bars, curves, intervals, learning, lines, stacked
from vaelib.plots.mosaics import images, mosaic
from vaelib.plots.planes import codes, contours, density, matrix, panels

__all__ = [
    "bars",
    "codes",
    "contours",
    "curves",
    "density",
    "images",
    "intervals",
    "learning",
    "lines",
    "matrix",
    "mosaic",
    "panels",
    "stacked",
]
