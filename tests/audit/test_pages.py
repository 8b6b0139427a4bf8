"""What is said of a loss: of each of the catalogue as it is written down, and how a page looks."""

from html import escape

import pytest
import torch

from tests.audit import losses
from tests.audit.catalogue import MUTANTS, Loss
from tests.audit.pages import NAMES, pages, section
from vaelib.audit import audit

PAGES = pages()


@pytest.mark.parametrize("name", NAMES)
def test_of_each_loss_is_said_what_is_written_down(name):
    assert section(name) == PAGES[name]


def test_nothing_is_written_down_of_losses_that_are_not_there():
    assert [*PAGES] == NAMES


SAME = (
    "the KL without −1", "the KL with + 1", "half of everything", "bits", "both means over 784",
    "both sums over the batch", "twice both", "the KL's sign twice",
)  # fmt: skip


@pytest.mark.parametrize("name", SAME)
def test_what_is_found_equal_has_the_right_gradient_but_for_its_length(name):
    generator = torch.Generator().manual_seed(1)
    x_hat, x = (torch.rand(128, 784, generator=generator).double() for _ in range(2))
    mu, h = (torch.randn(128, 20, generator=generator).double() for _ in range(2))
    leaves = [t.requires_grad_() for t in (0.01 + 0.98 * x_hat, mu, h)]
    mine, right = (
        torch.cat([g.flatten() for g in torch.autograd.grad(f(leaves[0], x, *leaves[1:]), leaves)])
        for f in (MUTANTS[name], Loss())
    )
    torch.testing.assert_close(mine / mine.norm(), right / right.norm())


def test_the_page_holds_every_line_and_ends_with_the_advice():
    found = audit(losses.mean_over_everything)
    width = len("sums of the divergence")  # the longest name
    rows = []
    for what, answer, evidence in found.lines:
        rows += [what.ljust(width) + "  " + answer]
        rows += [" " * (width + 4) + evidence] if evidence else []
    assert str(found).splitlines() == [*rows, "", f"→ {found.advice}"]
    cells = "".join(
        f"<tr><th scope='row'>{what}</th><td>{answer}</td><td>{evidence}</td></tr>"
        for what, answer, evidence in ([escape(part) for part in line] for line in found.lines)
    )
    head = "".join(f"<th scope='col'>{name}</th>" for name in ("What", "Told", "Seen"))
    assert found._repr_html_() == (
        f"<table class='audit'><thead><tr>{head}</tr></thead><tbody>{cells}</tbody></table>"
        f"<p>→ {escape(found.advice)}</p>"
    )
