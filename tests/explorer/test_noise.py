import pytest
import traitlets

from tests.cases import refused
from tests.explorer.test_latent import state_in
from vaelib.explorer import NoiseExplorer


def test_the_page_carries_points_shares_level_and_place():
    html = NoiseExplorer([-1, 0.5], [0.25, 0.75], log_snr=1, z=-2).to_html()
    assert state_in(html) == {
        **{"points": [-1.0, 0.5], "probs": [0.25, 0.75], "log_snr": 1.0, "z": -2.0},
        **{"far": 3.0, "levels": [-6.0, 6.0]},
    }


@pytest.mark.parametrize(("name", "bad"), [("log_snr", 6.5), ("z", -3.1), ("z", float("nan"))])
def test_what_cannot_be_drawn_is_refused_by_name(name, bad):
    with pytest.raises(traitlets.TraitError, match=f"{name} must lie between"):
        NoiseExplorer([-1, 1], **{name: bad})
    figure = NoiseExplorer([-1, 1])
    with pytest.raises(traitlets.TraitError, match=name):
        setattr(figure, name, bad)
    assert getattr(figure, name) == 0


test_points_that_cannot_be_are_refused = refused(
    (lambda: NoiseExplorer([1.0]), "points must be two or more numbers from −2 to 2"),
    (lambda: NoiseExplorer([1.0, 2.5]), "points must be"),
    (lambda: NoiseExplorer([0.0, 1.0], [1.0]), "probs must be one share for each point"),
    (lambda: NoiseExplorer([0.0, 1.0], [0.9, 0.2]), "adding up to 1"),
    (lambda: NoiseExplorer([0.0, 1.0], [1.0, 0.0]), "probs must be"),
)
