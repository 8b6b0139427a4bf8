"""Computed sentences, with their numbers as a reader would write them."""

import re
from collections.abc import Iterable, Sequence

_SUPERSCRIPTS = str.maketrans("-0123456789.", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹·")
_NUMBER = re.compile(
    r"\$[^$]*\$|`[^`]*`"  # formulas and code stay as they are
    r"|(?<![\w.)\]])(?P<sign>[-+]?)(?:(?P<digits>\d[\d,]*(?:\.\d+)?)(?:e(?P<power>[-+]\d+))?|inf)"
    r"(?!\w)(?P<percent> ?%)?"
)


class Markdown:
    """Text that a notebook shows as Markdown, its numbers made :func:`readable`.

    Args:
        text: Markdown, in which numbers were put by Python's own formatting.

    >>> Markdown(f"The bound is {-3.25:.1f} nats.")
    The bound is −3.2 nats.
    """

    def __init__(self, text: str) -> None:
        self.text = readable(text)

    def __repr__(self) -> str:
        return self.text

    def _repr_markdown_(self) -> str:
        return self.text


def readable(text: str) -> str:
    """Write minus signs, powers of ten, infinity and per cent as in print; leave code alone.

    >>> readable("-0.5, -0.00, 1e-10, 2e-04 and inf")
    '−0.5, 0.00, 10⁻¹⁰, 2·10⁻⁴ and ∞'
    >>> readable("5% of `5%d`").replace("\N{NO-BREAK SPACE}", "~")
    '5~% of `5%d`'
    """
    return _NUMBER.sub(_in_print, text)


def raised(power: float) -> str:
    """A power as superscript.

    >>> f"step{raised(2)}"
    'step²'
    """
    return f"{power:g}".translate(_SUPERSCRIPTS)


def table(title: str, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table with a title, in Markdown.

    >>> print(table("Bounds", ["name", "nats"], [["L", "-3.2"]]))
    :::{table} Bounds
    <BLANKLINE>
    | name | nats |
    | --- | --- |
    | L | -3.2 |
    :::
    <BLANKLINE>
    <BLANKLINE>
    """
    lines = [headings, ["---"] * len(headings), *rows]
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f":::{{table}} {title}\n\n{text}\n:::\n\n"


def _in_print(found: re.Match) -> str:
    if found["sign"] is None:
        return found[0]
    digits, power = found["digits"] or "∞", int(found["power"] or 0)
    zero = not digits.strip("0.,")
    sign = "" if zero and found["sign"] == "-" else found["sign"].replace("-", "−")
    unit = "\N{NO-BREAK SPACE}%" if found["percent"] else ""
    if zero or not power:
        return sign + digits + unit
    return f"{sign}{'' if digits == '1' else f'{digits}·'}10{raised(power)}{unit}"
