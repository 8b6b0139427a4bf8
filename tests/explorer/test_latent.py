import base64
import json
import re
import sys
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import torch
import traitlets
from torch import nn

import vaelib.explorer
from tests.cases import cases
from vaelib.distributions import bernoulli, diagonal_normal, mixture
from vaelib.explorer import LatentExplorer, pack
from vaelib.explorer.latent import contours
from vaelib.explorer.widget import Explorer
from vaelib.models import BernoulliDecoder, GaussianDecoder
from vaelib.plots.planes import CLASSES

SHAPE = (3, 4)
STYLE = Path(vaelib.explorer.__file__).with_name("explorer.css")


def explorer(**changes):
    given = {
        "decoder": BernoulliDecoder(2, [5], 12),
        "means": torch.tensor([[0.0, 1.0], [-2.0, 0.5], [4.0, 0.0]]),
        "labels": torch.tensor([3, 1, 9]),
        "shape": SHAPE,
        "images": torch.rand(3, 12),
    }
    return LatentExplorer(**(given | changes))


def state_in(html):
    """What a page gives a figure."""
    return json.loads(re.search(r"hold\((\{.*\})\), el:", html)[1])


def test_a_digit_has_one_colour_in_the_explorer_and_in_the_pictures():
    css = STYLE.read_text("utf8")
    assert re.findall(r"\.class-\d \{ fill: (#\w+); \}", css) == [*CLASSES]


def test_what_is_packed_is_the_network():
    decoder = BernoulliDecoder(2, [5, 6], 12, nn.ReLU)
    layers, weights = pack(decoder)
    assert [(n["inputs"], n["outputs"]) for n in layers] == [(2, 5), (5, 6), (6, 12)]
    assert [n["activation"] for n in layers] == ["relu", "relu", "sigmoid"]
    numbers = np.frombuffer(weights, "<f4")
    flat = [p.detach().flatten() for p in decoder.network.parameters()]
    np.testing.assert_array_equal(numbers, torch.cat(flat).numpy())
    assert len(weights) == 2 * len(pack(decoder, "float16")[1])
    assert pack(GaussianDecoder(2, [5], 12, 0.1))[0][-1]["activation"] == "identity"
    decoder.network[0] = nn.Linear(2, 5, bias=False)
    first = decoder.network[0].weight.detach().flatten().tolist()
    assert np.frombuffer(pack(decoder)[1], "<f4")[:15].tolist() == [*first, *[0.0] * 5]


def test_a_started_decoder_is_packed_in_its_own_units_where_means_are_near_zero():
    torch.manual_seed(0)
    decoder = GaussianDecoder(2, [5], 12, 0.1)
    decoder.start_at(50 + 7 * torch.rand(50, 12))
    decoder.network[-1].bias.data = -decoder.place / decoder.size  # place + size f is about 0
    decoder.network[-1].weight.data *= 1e-4
    layers, weights = pack(decoder)
    assert layers[-1]["activation"] == "identity"
    last = np.frombuffer(weights, "<f4")[-12:]
    np.testing.assert_allclose(last, np.zeros(12), atol=1e-4)


def test_a_figure_runs_its_own_file_after_those_that_all_share():
    class Own(Explorer, module="elbo.js gap.js"):
        pass

    names = ("stage.js", "decoder.js", "elbo.js", "gap.js")
    source = "\n".join(STYLE.with_name(name).read_text("utf8") for name in names)
    assert Own.source == source
    assert Own._esm == f"{source}\nexport default {{ render }};\n"


class Twice(GaussianDecoder):
    def forward(self, z):
        return super().forward(2 * z)


class Bent(nn.Module):
    def __init__(self, *layers):
        super().__init__()
        self.network = nn.Sequential(*layers)

    def forward(self, z):
        return bernoulli(self.network(z))


@cases(
    (nn.Linear(2, 3), "Linear has no network that starts with a linear layer"),
    (Twice(2, [5], 12, 0.1), "the mean of Twice is neither its network's output nor its"),
    (Bent(nn.Linear(2, 3), nn.GELU()), r"cannot compute GELU\(.*at this place"),
    (Bent(nn.Linear(2, 3), nn.Tanh(), nn.Tanh()), r"cannot compute Tanh\(\) at this place"),
    (Bent(nn.Linear(2, 3), nn.Tanh()), "the mean of Bent is neither"),
)
def test_a_decoder_that_the_browser_cannot_follow_is_refused(decoder, message):
    with pytest.raises(ValueError, match=message):
        pack(decoder)


@cases(
    ({"decoder": BernoulliDecoder(3, [5], 12)}, "needs two latents, the decoder has 3"),
    ({"shape": (3, 5)}, "the decoder gives 12 pixels, shape has 15"),
    ({"decoder": BernoulliDecoder(2, [5, 6], 9)}, "the decoder gives 9 pixels, shape has 12"),
    ({"means": torch.zeros(3, 3)}, r"means must be finite, of shape \(images, 2\)"),
    ({"means": torch.full((3, 2), torch.nan)}, "means must be finite"),
    ({"means": torch.zeros(0, 2)}, "means must be finite"),
    ({"labels": torch.tensor([1, 2])}, "labels must be 3 whole numbers from 0 to 9"),
    ({"labels": torch.tensor([1, 2, 10])}, "labels must be 3 whole numbers"),
    ({"labels": torch.tensor([1.0, 2.0, 3.0])}, "labels must be 3 whole numbers"),
    ({"images": torch.rand(2, 12)}, r"images must lie in \[0, 1\], of shape \(3, 12\)"),
    ({"images": torch.full((3, 12), 1.5)}, r"images must lie in \[0, 1\]"),
)
def test_arguments_that_do_not_fit_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        explorer(**changes)


def test_the_point_is_set_from_python_and_must_be_finite():
    figure = explorer()
    figure.z = (1, -0.5)
    assert figure.z == (1.0, -0.5)
    for bad in [(1.0,), ("a", 1.0), (float("nan"), 0.0), (float("inf"), 0.0)]:
        with pytest.raises(traitlets.TraitError):
            figure.z = bad
    assert figure.z == (1.0, -0.5)


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_the_figure_holds_what_it_is_given(precision):
    decoder, images = BernoulliDecoder(2, [5, 6], 12), torch.rand(3, 12)
    images[0, :2] = torch.tensor([0.0, 1.0])
    figure = explorer(decoder=decoder, images=images, precision=precision)
    assert (figure.layers, figure.weights) == pack(decoder, precision)
    assert figure.precision == precision
    assert list(figure.images) == (255 * images.flatten()).round().int().tolist()
    assert figure.shape == [3, 4]
    assert figure.extent == pytest.approx(1.04 * 4)  # of the means
    assert explorer(means=torch.zeros(3, 2)).extent == 3.2  # of the rings
    assert explorer().precision == "float32"
    with pytest.raises(ValueError, match="precision must be 'float16' or 'float32', got 'int8'"):
        pack(decoder, "int8")


def test_each_figure_has_a_place_of_its_own_on_a_page():
    one, two = explorer(), explorer()
    pages = one.to_html(), two.to_html()
    names = [re.search(r'<div id="vaelib-(\w+)"></div>', page)[1] for page in pages]
    assert names == [one.model_id, two.model_id]
    assert len(set(names)) == 2
    for name, page in zip(names, pages, strict=True):
        assert f'getElementById("vaelib-{name}")' in page
        assert STYLE.read_text("utf8") in page
        assert STYLE.with_name("page.js").read_text("utf8") in page


def test_the_page_carries_state_and_module_and_asks_nobody():
    figure = explorer()
    html = figure.to_html()
    state = state_in(html)
    means = np.frombuffer(base64.b64decode(state["means"]["base64"]), "<f4")
    np.testing.assert_array_equal(means, [0.0, 1.0, -2.0, 0.5, 4.0, 0.0])
    assert list(base64.b64decode(state["labels"]["base64"])) == [3, 1, 9]
    assert state["shape"] == [3, 4]
    assert "function render(" in html
    assert set(re.findall(r"https?://[^\"'\s]+", html)) <= {"http://www.w3.org/2000/svg"}
    assert "export" not in html
    assert state_in(explorer(images=None).to_html())["images"]["base64"] == ""
    figure.precision = "</script><script>"  # cannot end the script
    assert figure.to_html().count("</script>") == 1
    assert state_in(figure.to_html())["precision"] == "</script><script>"


def test_a_notebook_gets_the_widget_and_a_page_the_html_and_colab_the_live_widget_only(monkeypatch):
    data, _ = explorer()._repr_mimebundle_()
    assert 'role: "slider"' in data.pop("text/html")
    assert "application/vnd.jupyter.widget-view+json" in data
    monkeypatch.setitem(sys.modules, "google.colab", Mock())
    assert explorer()._repr_mimebundle_()[0].keys() == data.keys()


PRIORS = {
    "N(0, I)": diagonal_normal(torch.zeros(2), 1.0),
    "two heaps": mixture(diagonal_normal(torch.tensor([[-2.0, 0.0], [2.0, 1.0]]), 0.4)),
}


@pytest.mark.parametrize("prior", PRIORS.values(), ids=PRIORS)
def test_contours_of_a_prior_hold_the_shares_they_say(prior):
    one, state = explorer(prior=prior), torch.random.get_rng_state()
    assert contours(prior, one.extent) == one.contours
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.manual_seed(0)
    densities = prior.log_prob(prior.sample((20_000,)))
    for contour in one.contours:
        around = torch.tensor(contour["paths"][0]).reshape(-1, 2)
        level = prior.log_prob(around)
        assert level.std() < 0.1  # one density all around
        inside = (densities > level.mean()).double().mean()
        assert abs(inside - contour["share"]) < 0.02
        assert torch.equal(around[0], around[-1])
    assert [round(100 * c["share"]) for c in one.contours] == [39, 86, 99]
    assert len(one.contours[0]["paths"]) == (2 if prior is PRIORS["two heaps"] else 1)


def test_contours_are_those_of_a_plane_and_none_without_a_prior():
    assert explorer().contours == []
    with pytest.raises(ValueError, match=r"the prior must have two latents, got event \(3,\)"):
        explorer(prior=diagonal_normal(torch.zeros(3), 1.0))
