"""The look of all pictures: dark ink on a light page."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from matplotlib import rc_params_from_file, rcParams
from torch import Tensor

STYLE = rc_params_from_file(Path(__file__).with_name("book.mplstyle"), use_default_template=False)


@contextmanager
def book_style() -> Iterator[None]:
    """The book's style while drawing; afterwards only its own settings are put back.

    Matplotlib's own context would also put back what the notebook's backend sets when it starts.
    """
    before = {key: rcParams[key] for key in STYLE}
    rcParams.update(STYLE)
    try:
        yield
    finally:
        rcParams.update(before)


def array(values: Tensor) -> np.ndarray:
    return np.asarray(values.detach().cpu() if isinstance(values, Tensor) else values)
