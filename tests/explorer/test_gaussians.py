from math import inf, nan

import pytest
import traitlets

from tests.explorer.test_latent import state_in
from vaelib.explorer import GaussianExplorer


def test_starts_with_two_standard_normals_and_takes_what_it_is_given():
    figure = GaussianExplorer()
    assert (figure.mu_q, figure.sigma_q, figure.mu_p, figure.sigma_p) == (0.0, 1.0, 0.0, 1.0)
    assert figure.draws == 100
    figure = GaussianExplorer(mu_q=1, sigma_p=2)
    assert (figure.mu_q, figure.sigma_q, figure.mu_p, figure.sigma_p) == (1.0, 1.0, 0.0, 2.0)


BAD = {"mu_q": [3.5], "mu_p": [nan], "sigma_q": [0.0, -1.0], "sigma_p": [inf, 0.4]}
BAD |= {"draws": [9, 100_001]}


@pytest.mark.parametrize(("name", "bad"), [(name, bad) for name in BAD for bad in BAD[name]])
def test_what_cannot_be_drawn_is_refused_by_name(name, bad):
    with pytest.raises(traitlets.TraitError, match=f"{name} must lie between .* got {bad}"):
        GaussianExplorer(**{name: bad})
    figure = GaussianExplorer()
    before = getattr(figure, name)
    with pytest.raises(traitlets.TraitError, match=name):
        setattr(figure, name, bad)
    assert getattr(figure, name) == before
    with pytest.raises(TypeError, match="'sigma'"):
        GaussianExplorer(sigma=2.0)


def test_the_page_carries_the_five_numbers_and_the_ranges_of_the_handles():
    html = GaussianExplorer(mu_q=1.5, sigma_q=0.75, mu_p=-1, sigma_p=2, draws=1000).to_html()
    assert state_in(html) == {
        **{"mu_q": 1.5, "sigma_q": 0.75, "mu_p": -1.0, "sigma_p": 2.0, "draws": 1000},
        **{"means": [-3.0, 3.0], "widths": [0.5, 2.5]},
    }
