"""The terms that people search for lead to where the book explains them."""

import re

import pytest

from tests.book.chapter_source import LINK, PAGE_LINK, PAGES, ROOT

TERMS = next(page for page in PAGES if page.id == "terms")
GLOSSARY = re.search(r"```\{glossary\}\n:sorted:\n(.*?)```", TERMS.text, re.DOTALL)[1]
ENTRIES = re.findall(r"((?:^\S.*\n)+)((?:^ +\S.*\n)+)", GLOSSARY, re.MULTILINE)
NAMES = [name for names, _ in ENTRIES for name in names.splitlines()]
SEARCHED = """posterior collapse; KL annealing; free bits; overfitting; standard deviation;
blurry images; evidence lower bound; ELBO; amortisation; importance weighting;
reparameterization trick; β-VAE; active units; approximate posterior; NaN; KL divergence; IWAE;
marginal likelihood"""


def plain(text):
    for tex, letter in ((r"\beta", "β"), (r"\sigma", "σ"), ("^2", "²"), ("\\", ""), ("$", "")):
        text = text.replace(tex, letter)
    return text.lower()


def test_what_is_searched_for_is_there_and_nothing_twice_one_click_from_the_landing_page():
    assert {*re.split(r";\s+", SEARCHED)} <= {*NAMES}
    assert len({name.lower() for name in NAMES}) == len(NAMES)
    assert "".join(names + said for names, said in ENTRIES) == re.sub(r"\n(?=\n)", "", GLOSSARY[1:])
    assert "chapters/terms.md" in next(p for p in PAGES if p.path == ROOT / "index.md").page_links


@pytest.mark.parametrize(("names", "said"), ENTRIES, ids=[n.split("\n")[0] for n, _ in ENTRIES])
def test_a_term_leads_to_a_page_that_speaks_of_it_and_an_equation_of_that_page(names, said):
    linked = {TERMS.at(file) for file, _ in PAGE_LINK.findall(said)}
    pages = [page for page in PAGES if page.path in linked]
    assert len(pages) == len(linked) >= 1
    text = plain("\n".join(page.text for page in pages))
    assert any(all(w in text for w in plain(name).split()) for name in names.splitlines())
    assert {label for _, label in LINK.findall(said)} <= {x for page in pages for x in page.labels}
