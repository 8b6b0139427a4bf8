"""Mathematics typeset at the build."""

import logging

import pytest
from mathematics import Typesetter

CLASSES = 'class="math notranslate nohighlight"'
NUMBER = '<span class="eqno">(1)<a class="headerlink" href="#equation-eq-a">#</a></span>'
PAGE = f"""<head></head>
<p>Where <span {CLASSES}>\\(x &lt; y\\)</span>,</p>
<div {CLASSES} id="equation-eq-a">
{NUMBER}\\[\\left\\{{ p(x|z) \\right\\}} \\\\[2pt]\\]</div>"""


@pytest.fixture(scope="module")
def typesetter(tmp_path_factory):
    return Typesetter(tmp_path_factory.mktemp("memory") / "known.json")


def test_formulas_become_containers_and_all_else_stays(typesetter):
    page = typesetter.page(PAGE, "../")
    assert page.count("<mjx-container ") == 2
    assert page.count('display="true"') > 0
    assert "\\(" not in page
    assert "\\[" not in page
    assert NUMBER in page
    assert f'<div {CLASSES} id="equation-eq-a">' in page
    assert "<mi>x</mi><mo>&lt;</mo><mi>y</mi>" in page
    assert 'url("../_static/mathjax/MathJax_Main-Regular.woff")' in page
    among_words = f"<head></head>So <span {CLASSES}>\\(x\\)</span> y"
    assert "unbroken" not in typesetter.page(among_words, "")


@pytest.mark.parametrize(("before", "after"), [("", ","), ("(", ")."), ("(", "")])
def test_punctuation_stays_with_its_formula(typesetter, before, after):
    text = f"So {before}<span {CLASSES}>\\(x\\)</span>{after} y"
    done = typesetter.page(f"<head></head>{text}", "")
    assert f'So <span class="unbroken">{before}<span class="math ' in done
    assert f"</mjx-container></span>{after}</span> y" in done


@pytest.mark.parametrize("letter", ["|", "{", "}", "x", "z"])
def test_every_letter_has_its_rule(typesetter, letter):
    tex = rf"\{letter}" if letter in "{}" else letter
    page = typesetter.page(f"<head></head><span {CLASSES}>\\({tex}\\)</span>", "")
    code = ord(letter) if letter in "|{}" else 0x1D44E + ord(letter) - ord("a")
    assert f"mjx-c.mjx-c{code:X}" in page.split("<body")[0]
    assert "mjx-c.mjx-c2211" not in page


def test_what_has_no_formulas_is_finished_or_known_is_not_typeset_again(typesetter):
    first = typesetter.page(PAGE, "")
    assert typesetter.page(first, "") == first
    assert typesetter.page("<head></head><p>x</p>", "") == "<head></head><p>x</p>"
    typesetter.save()
    again = Typesetter(typesetter.memory)
    assert again.page(PAGE, "") == first
    assert again.engine is None


def test_a_formula_that_cannot_be_typeset_warns(typesetter, caplog):
    logging.getLogger("sphinx").propagate = True
    with caplog.at_level(logging.WARNING):
        typesetter.page(f"<head></head><span {CLASSES}>\\(\\frac{{1\\)</span>", "")
    assert "cannot typeset" in caplog.text
