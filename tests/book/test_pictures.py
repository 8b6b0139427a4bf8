"""Pictures in a book that is really executed: the smaller file, its size, its alternative text."""

import re

import nbformat
import pytest

from tests.book.tiny_book import SETTINGS, Book

IMPORTS = "import numpy as np\nimport vaelib\nfrom matplotlib import pyplot as plt"
LINE = "plt.figure(figsize=(4, 3), dpi=144)\nplt.plot([0, 1]);"
NOISE = """plt.figure(figsize=(4, 3), dpi=144)
noise = np.random.default_rng(0).random(20_000)
plt.scatter(noise[::2], noise[1::2]);"""
EXTENSIONS = {"extensions": [*SETTINGS["extensions"], "pictures"]}


def write(folder):
    book = Book(folder)
    book.chapter("# A chapter", (), code=IMPORTS)
    notebook = nbformat.read(folder / "chapter.ipynb", as_version=4)
    for source in (LINE, NOISE):
        about = {"figure": {"caption": "A caption."}, "image": {"alt": source[-8:]}}
        cell = nbformat.v4.new_code_cell(source, metadata={"mystnb": about})
        notebook.cells.append(cell)
    nbformat.write(notebook, folder / "chapter.ipynb")
    assert book.build(**EXTENSIONS) == (True, [])
    return book


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    return write(tmp_path_factory.mktemp("book"))


@pytest.fixture(scope="module")
def images(book):
    return re.findall("<img .*?>", book.page("chapter"))


def attribute(image, name):
    return re.search(rf'{name}="(.*?)"', image)[1]


def test_of_both_files_the_page_shows_the_smaller(book, images):
    line, noise = (book.folder / "_build/html" / attribute(image, "src") for image in images)
    assert (line.suffix, noise.suffix) == (".svg", ".png")
    assert len(list(line.parent.iterdir())) == 2
    sharper = int.from_bytes(noise.read_bytes()[16:20]) / int(attribute(images[1], "width"))
    assert sharper > 1.3
    svg = line.read_text("utf8")
    assert "<text" not in svg, "letters are drawn, and need no font"
    assert "<use" in svg


def test_both_kinds_are_as_large_as_in_jupyter_wait_to_be_near_and_say_what_they_show(images):
    assert [attribute(image, "alt") for image in images] == [LINE[-8:], NOISE[-8:]]
    assert {attribute(image, "loading") for image in images} == {"lazy"}
    for image in images:
        width, height = (int(attribute(image, name)) for name in ("width", "height"))
        assert 0.8 * 4 * 144 < width < 1.05 * 4 * 144
        assert height / width == pytest.approx(3 / 4, rel=0.1)


def test_the_same_run_gives_the_same_files(book, images, tmp_path):
    again = re.findall("<img .*?>", write(tmp_path).page("chapter"))
    assert again == images
