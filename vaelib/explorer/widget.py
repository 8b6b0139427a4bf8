"""A figure that answers the hand: one JavaScript module for Jupyter, Colab and a static page."""

import base64
import json
import sys
from pathlib import Path

import anywidget
import traitlets

HERE = Path(__file__).parent
SHARED = ("stage.js", "decoder.js")
PAGE = """\
<div id="{name}"></div>
<style>
{style}</style>
<script type="module">
{module}
render({{ model: hold({state}), el: document.getElementById("{name}") }});
</script>
"""


class Explorer(anywidget.AnyWidget):
    """Base of the touchable figures.

    A subclass names its JavaScript files, the last of which defines ``render({ model, el })``. Its
    traits that are tagged ``sync=True`` are what the two sides share, and what the figure is made
    of besides. A notebook with a kernel shows the live widget. Anything else shows the same module
    with the traits' values written into the page.

    Args:
        fixed: what the figure is made of: names ↦ what JSON can hold, or bytes.
        values: of the traits.
    """

    _css = (HERE / "explorer.css").read_text("utf8")

    def __init_subclass__(cls, module: str | None = None, **kwargs) -> None:
        if module:
            names = (*SHARED, *module.split())
            cls.source = "\n".join((HERE / name).read_text("utf8") for name in names)
            cls._esm = f"{cls.source}\nexport default {{ render }};\n"
        super().__init_subclass__(**kwargs)

    def __init__(self, fixed: dict, **values) -> None:
        traits = {name: traitlets.Any(value).tag(sync=True) for name, value in fixed.items()}
        self.add_traits(**traits)
        super().__init__(**values)

    def to_html(self) -> str:
        """The figure as a piece of HTML that needs neither a kernel nor a network."""
        state = {name: getattr(self, name) for name in self.own_traits()}
        page = (HERE / "page.js").read_text("utf8")
        return PAGE.format(
            name=f"vaelib-{self.model_id}",
            style=self._css,
            module=f"{page}\n{self.source}",
            state=json.dumps(state, default=_in_base64).replace("<", "\\u003c"),
        )

    def own_traits(self) -> list[str]:
        """The names of the traits that the figure itself adds to a widget."""
        added = set(type(self).class_traits(sync=True)) - set(Explorer.class_traits())
        return sorted(name for name in added if not name.startswith("_"))

    def _repr_mimebundle_(self, **kwargs):
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is None or "google.colab" in sys.modules:
            return bundle  # Colab would show the HTML in place of the live widget
        data, metadata = bundle
        return {**data, "text/html": self.to_html()}, metadata


def _in_base64(value: bytes) -> dict[str, str]:
    return {"base64": base64.b64encode(value).decode()}
