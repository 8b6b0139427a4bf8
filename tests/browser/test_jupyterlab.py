"""The explorer in real JupyterLab, with a kernel behind it, and a chapter as it renders there."""

import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch

from tests.browser.figure_page import ALPHA, numbers
from vaelib.models import BernoulliDecoder

CHAPTER = Path(__file__).parents[2] / "chapters" / "elbo.ipynb"
SHOW = """\
import torch
from vaelib.explorer import LatentExplorer
from vaelib.models import BernoulliDecoder

torch.manual_seed(0)
decoder = BernoulliDecoder(2, [16], 64)
means, labels = torch.randn(9, 2), torch.arange(9)
explorer = LatentExplorer(decoder, means, labels, (8, 8))
explorer"""
CELLS = [SHOW, "print('read back:', explorer.z)", "explorer.z = (1.0, -0.5)"]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab")
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    command += [f"--port={port}", "--IdentityProvider.token=", f"--ServerApp.root_dir={folder}"]
    command += ["--LabApp.news_url=None", "--LabApp.check_for_updates=False"]
    command += ["--ServerApp.base_url=/"]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
        yield answering(f"http://127.0.0.1:{port}", server), folder
        server.terminate()
        server.wait(20)


def answering(address, server):
    for _ in range(240):
        assert server.poll() is None, "JupyterLab did not start"
        try:
            urllib.request.urlopen(f"{address}/api", timeout=1).close()
            return address
        except (urllib.error.URLError, OSError):
            time.sleep(0.25)
    raise TimeoutError("JupyterLab did not answer")


@pytest.fixture
def notebook(lab, browser, request):
    """Open a notebook under the test's own name: JupyterLab keeps a file's kernel and changes."""
    address, folder = lab
    name = f"{request.node.name}.ipynb"
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    context.set_default_timeout(60_000)
    page = context.new_page()

    page.add_locator_handler(
        page.locator("dialog.jp-Dialog"), lambda asked: asked.locator(".jp-mod-accept").click()
    )

    def open_notebook(text):
        (folder / name).write_text(text, encoding="utf-8")
        page.goto(f"{address}/lab/tree/{name}?reset")
        page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status=idle]")
        return page

    yield open_notebook
    context.close()


def explorer():
    cells = [nbformat.v4.new_code_cell(source) for source in CELLS]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return nbformat.writes(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}))


def run_cell(page, number):
    """Run a cell; again if the kernel was not ready, in which case JupyterLab forgets the first."""
    cell = page.locator(".jp-Notebook .jp-Cell").nth(number)
    prompt = cell.locator(".jp-InputPrompt")
    for _ in range(20):
        cell.locator(".cm-content").click()
        page.keyboard.press("Control+Enter")
        for _ in range(40):
            page.wait_for_timeout(250)
            shown = prompt.inner_text()
            if re.search(r"\d", shown):
                return cell
            if "*" not in shown:
                break
    raise TimeoutError(f"cell {number} did not run")


def test_dragged_in_jupyterlab_and_read_back_in_python(notebook):
    page = notebook(explorer())
    run_cell(page, 0)
    knob = page.locator(".vaelib-knob")
    knob.wait_for()
    plane = page.locator(".vaelib-plane svg").bounding_box()
    start = knob.bounding_box()
    page.mouse.move(start["x"] + start["width"] / 2, start["y"] + start["height"] / 2)
    page.mouse.down()
    right, up = 0.75, 0.3
    x, y = plane["x"] + right * plane["width"], plane["y"] + (1 - up) * plane["height"]
    page.mouse.move(x, y, steps=8)
    page.mouse.up()
    shown = numbers(knob.get_attribute("aria-valuetext"))
    page.wait_for_timeout(500)
    printed = run_cell(page, 1).locator(".jp-OutputArea-output").inner_text()
    z = numbers(printed)
    extent = float(knob.get_attribute("aria-valuemax"))
    np.testing.assert_allclose(z, [(2 * right - 1) * extent, (2 * up - 1) * extent], atol=0.05)
    np.testing.assert_allclose(z, shown, atol=0.006)


def test_the_point_set_in_python_moves_in_jupyterlab(notebook):
    page = notebook(explorer())
    run_cell(page, 0)
    page.locator(".vaelib-knob").wait_for()
    run_cell(page, 2)
    page.locator(".vaelib-knob[aria-valuetext*='(1.00, −0.50)']").wait_for()
    page.wait_for_timeout(200)
    alpha = page.locator(".vaelib-explorer canvas").first.evaluate(ALPHA)
    torch.manual_seed(0)
    decoder = BernoulliDecoder(2, [16], 64)
    with torch.no_grad():
        mean = decoder(torch.tensor([1.0, -0.5])).mean
    np.testing.assert_allclose(np.array(alpha) / 255, mean.numpy(), atol=0.003)


def test_a_chapter_renders_fully_in_jupyterlab(notebook):
    page = notebook(CHAPTER.read_text(encoding="utf-8"))
    page.wait_for_selector(".jp-MarkdownCell .katex, .jp-MarkdownCell mjx-container")
    page.wait_for_timeout(1000)
    rendered = page.locator(".jp-MarkdownCell .jp-RenderedMarkdown, .jp-MarkdownCell .myst")
    seen = "\n".join(rendered.all_inner_texts())
    assert len(seen) > 1000
    assert "$$" not in seen
    assert not re.search(r"\(eq-[a-z-]+\)\]", seen)
