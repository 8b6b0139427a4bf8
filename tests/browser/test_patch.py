"""The code of an image in colour, moved by hand, and the bits that follow."""

import math

import pytest
import torch
from axe_playwright_python.sync_playwright import Axe
from torch import nn

from tests.browser.figure_page import blank, number, opened, settle
from tests.cases import cases
from vaelib import data
from vaelib.distributions import diagonal_normal, discretised_logistic
from vaelib.divergence import kl
from vaelib.explorer import PatchExplorer
from vaelib.models import VAE, BernoulliDecoder, GaussianEncoder, LogisticDecoder, StandardNormal

SHAPE = (3, 4, 5)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    encoder, decoder = (
        GaussianEncoder(60, [8], 3, nn.SiLU),
        LogisticDecoder(3, [8], 60, nn.SiLU, 16),
    )
    x = torch.randint(16, (50, 60)) / 15
    decoder.start_at(x)
    return VAE(StandardNormal(3), encoder, decoder), x[0]


@pytest.fixture
def page(browser, tmp_path, model):
    with opened(browser, tmp_path, PatchExplorer(*model, SHAPE)) as page:
        yield page


def bits(page):
    """Of the pixels given the code, of the code, and together, as the table says."""
    return [number(text.split()[0]) for text in page.locator(".readout td").all_inner_texts()]


@torch.no_grad()
def expected(model, mu):
    vae, x = model
    figure = PatchExplorer(vae, x, SHAPE)
    q = diagonal_normal(torch.tensor(mu), torch.tensor(figure.sigma))
    eps = torch.frombuffer(bytearray(figure.eps), dtype=torch.float32).reshape(-1, 3)
    told = vae.decode(q.mean + q.stddev * eps).log_prob(x).mean()
    pixels, code = -told / 60 / math.log(2), kl(q, vae.prior) / 60 / math.log(2)
    return [float(pixels), float(code), float(pixels + code)]


def test_the_log_probability_of_a_level_is_the_librarys(browser):
    x, m = torch.arange(256).double() / 255, torch.rand(256).double() * 1.4 - 0.2
    log_scale = torch.empty(256).double().uniform_(-9, 3)
    there = discretised_logistic(m, log_scale, 256, 1)
    level = "all => all.map(([x, m, s]) => logLevel(x, m, s, 256))"
    numbers = torch.stack([x, m, log_scale], -1).tolist()
    with blank(browser, PatchExplorer) as script:
        found = torch.tensor(script.evaluate(level, numbers)).double()
        far = script.evaluate("[-40, -10, 0, 10, 40].map(bounded)")
    each = there.conditional(x).gather(-1, torch.arange(256)[:, None])[:, 0]
    torch.testing.assert_close(found, each, rtol=1e-5, atol=1e-5)
    assert far == [-11, -10, 0, 10, 11]


def test_it_starts_at_the_encoders_code_and_says_what_the_library_says(page, model):
    vae, x = model
    mu = PatchExplorer(vae, x, SHAPE).found
    torch.testing.assert_close(torch.tensor(mu), vae.encode(x).mean, rtol=0, atol=6e-4)
    assert bits(page) == pytest.approx(expected(model, mu), abs=6e-3)


def test_a_slider_moves_one_latent_the_picture_and_the_bits(page, model):
    before, mu = page.locator("canvas").nth(1).screenshot(), PatchExplorer(*model, SHAPE).found
    slider = page.get_by_role("slider", name="Mean of q along z2", exact=True)
    slider.fill("2.5")
    settle(page)
    assert bits(page) == pytest.approx(expected(model, [mu[0], 2.5, mu[2]]), abs=6e-3)
    assert slider.get_attribute("aria-valuetext").startswith("2.50; ")
    assert page.locator("canvas").nth(1).screenshot() != before
    slider.press("ArrowLeft")
    settle(page)
    assert bits(page) == pytest.approx(expected(model, [mu[0], 2.45, mu[2]]), abs=6e-3)
    page.get_by_role("button", name="the middle").click()
    settle(page)
    assert bits(page) == pytest.approx(expected(model, [0.0, 0.0, 0.0]), abs=6e-3)
    page.get_by_role("button", name="the encoder's code").click()
    settle(page)
    assert bits(page) == pytest.approx(expected(model, mu), abs=6e-3)


def test_the_image_is_shown_in_its_colours(page, model):
    rgba = page.locator("canvas").first.evaluate(
        "c => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]"
    )
    shown = torch.tensor(rgba).reshape(4, 5, 4)[..., :3].permute(2, 0, 1)
    assert torch.equal(shown, (255 * model[1]).round().int().reshape(SHAPE))


def test_it_can_be_used_by_everyone(page):
    found = Axe().run(page, options={"resultTypes": ["violations"]})
    assert found.violations_count == 0, found.generate_report()


def test_it_fits_a_phone(browser, tmp_path, model):
    figure = PatchExplorer(*model, SHAPE)
    with opened(browser, tmp_path, figure, viewport={"width": 390, "height": 700}) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_photograph_in_one_channel_and_the_numbers_that_a_kernel_sees(model):
    figure = PatchExplorer(*model, SHAPE)
    figure.mu = [1, 2, 3]
    assert figure.mu == [1.0, 2.0, 3.0]
    whole = data.load("digits")
    grey = VAE(
        StandardNormal(2), GaussianEncoder(64, [4], 2), LogisticDecoder(2, [4], 64, levels=17)
    )
    assert PatchExplorer(grey, whole.test[0], (1, 8, 8)).levels == 17


@cases(
    ({"shape": (4, 5)}, "not that of an image of 60"),
    ({"shape": (2, 5, 6)}, "not that of an image of 60"),
    ({"shape": (3, 5, 5)}, "not that of an image of 60"),
    ({"draws": 0}, "draws must be"),
    ({"decoder": BernoulliDecoder(3, [8], 60)}, "needs a LogisticDecoder"),
    ({"decoder": LogisticDecoder(3, [4], (3, 8, 8))}, "needs a LogisticDecoder of linear"),
)
def test_what_it_cannot_show_is_refused(model, change, said):
    vae, x = model
    other = VAE(vae.prior_module, vae.encoder, change.pop("decoder", vae.decoder))
    with pytest.raises(ValueError, match=said):
        PatchExplorer(other, x, **{"shape": SHAPE} | change)
