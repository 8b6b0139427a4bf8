"""The pictures of the book. No mathematics happens here."""

from vaelib.plots.charts import bars, curves, intervals, learning, lines, stacked
from vaelib.plots.planes import codes, contours, density, images, matrix, mosaic, panels

__all__ = [
    "bars", "codes", "contours", "curves", "density", "images", "intervals", "learning", "lines",
    "matrix", "mosaic", "panels", "stacked",
]  # fmt: skip
