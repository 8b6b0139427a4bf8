from tests.cases import cases
from vaelib.prose import Markdown, readable, table


@cases(
    ("-23.92 | -1,354", "−23.92 | −1,354"),
    ("-0.000, 0.000 and +0.0", "0.000, 0.000 and +0.0"),
    ("1e-10, 2e-04, 3.5e+02, -1e+01", "10⁻¹⁰, 2·10⁻⁴, 3.5·10², −10¹"),
    ("0e+00", "0"),
    ("inf, -inf", "∞, −∞"),
    ("about 1e-10.", "about 10⁻¹⁰."),
)
def test_numbers_read_as_in_print(raw, printed):
    assert readable(raw) == printed
    assert readable(printed) == printed


@cases(
    "$10^{-3} - 2$ and `x = -1e-3`",
    "(eq-2-k), 2020-05, GPT-2, one-10",
    "| a | b |\n|---|---|",
    "information, 4,096 draws, 0.5.",
    "[(a)](#eq-a) and https://example.org/x-1",
)
def test_all_else_stays(text):
    assert readable(text) == text


def test_a_notebook_is_given_markdown():
    assert Markdown("**-1**")._repr_markdown_() == "**−1**"


def test_a_table_has_its_title_its_head_and_no_number_parted_from_its_percent():
    said = str(Markdown(table("Shares", ["name", "share"], [["a", "97.5 %"], ["b", "3%"]])))
    lines = ["| name | share |", "| --- | --- |", "| a | 97.5\xa0% |", "| b | 3\xa0% |"]
    assert said == "\n".join([":::{table} Shares", "", *lines, ":::", "", ""])
