"""MNIST's files, fetched where they do not lie: real HTTP, from mirrors on this machine."""

import gzip
import hashlib
import io

import pytest
import torch
from tqdm import tqdm

from tests.data.mirror import GZ
from vaelib import data
from vaelib.data import mnist


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_what_is_not_there_is_fetched_once(mirrors, home, small_mnist):
    fetched = data.load("mnist")
    assert mirrors.asked == [f"/one/{name}" for name in GZ]
    assert names(home) == sorted(GZ)
    again, placed = data.load("mnist"), data.load("mnist", small_mnist)
    assert len(mirrors.asked) == 4
    for x, y, z in zip(fetched[3:], again[3:], placed[3:], strict=True):
        assert torch.equal(x, y)
        assert torch.equal(x, z)


def test_without_a_folder_the_users_cache_takes_it(mirrors, tmp_path, monkeypatch):
    monkeypatch.delenv("VAELIB_DATA_DIR", raising=False)
    data.load("mnist")
    assert names(tmp_path / "cache" / "vaelib" / "mnist") == sorted(GZ)


@pytest.mark.parametrize("missing", GZ)
def test_only_what_a_folder_lacks_is_fetched(mirrors, home, small_mnist, missing):
    (small_mnist / missing).unlink()
    data.load("mnist", small_mnist)
    assert not home.exists()
    assert mirrors.asked == [f"/one/{missing}"]
    assert names(small_mnist) == sorted(GZ)


@pytest.fixture
def fashion(mirrors, monkeypatch):
    """The same mirrors for Fashion-MNIST, of which the compressed bytes are known."""
    sums = {
        f: hashlib.sha256((mirrors.one / f"{f}.gz").read_bytes()).hexdigest() for f in data.MNIST
    }
    for file, known in sums.items():
        monkeypatch.setitem(data.FASHION_MNIST, file, known)
        monkeypatch.setitem(data.MNIST, file, "0" * 64)
    monkeypatch.setattr(mnist, "FASHION_MIRRORS", mirrors.urls)
    monkeypatch.setattr(mnist, "MIRRORS", ())


@pytest.mark.usefixtures("fashion")
def test_fashion_mnist_is_fetched_from_its_own_mirrors_into_a_place_of_its_own(
    mirrors, home, tmp_path
):
    images = data.load("fashion-mnist")
    assert images.name == "fashion-mnist"
    assert images.train.shape == (3, 784)
    assert mirrors.asked == [f"/one/{name}" for name in GZ]
    assert names(tmp_path / "cache" / "vaelib" / "fashion-mnist") == sorted(GZ)
    assert not home.exists()


@pytest.mark.usefixtures("fashion", "mirrors")
def test_fashion_mnist_must_be_compressed_and_says_what_to_do_offline(small_mnist, monkeypatch):
    monkeypatch.setattr(mnist, "FASHION_MIRRORS", ())
    (small_mnist / "train-images-idx3-ubyte").write_bytes(b"")
    (small_mnist / GZ[0]).unlink()
    with pytest.raises(FileNotFoundError) as error:
        data.load("fashion-mnist", small_mnist)
    assert str(error.value).splitlines() == [
        f"no mirror gives Fashion-MNIST's {GZ[0]}:",
        "Offline, put Fashion-MNIST's four files into a folder and name it by folder=..., "
        "or set VAELIB_DATASET=digits, which needs none",
    ]


@pytest.mark.usefixtures("fashion", "mirrors")
def test_another_fashion_is_refused_by_name(small_mnist):
    raw = gzip.decompress((small_mnist / GZ[0]).read_bytes())
    (small_mnist / GZ[0]).write_bytes(gzip.compress(raw, 1, mtime=7))
    with pytest.raises(
        ValueError, match=r"is not Fashion-MNIST's train-images-idx3-ubyte: its SHA"
    ):
        data.load("fashion-mnist", small_mnist)


def test_the_bar_counts_the_bytes_of_each_file_and_goes_away(mirrors, home, monkeypatch):
    bars = []

    class Bar(tqdm):
        def __init__(self, **settings):
            super().__init__(**settings, file=io.StringIO())
            bars.append(self)

        def close(self):
            self.all = (self.desc, self.n, self.total, self.unit, self.unit_scale, self.leave)
            super().close()

    monkeypatch.setattr("tqdm.auto.tqdm", Bar)
    data.load("mnist")
    sizes = [(home / name).stat().st_size for name in GZ]
    for bar, name, size in zip(bars, GZ, sizes, strict=True):
        desc, n, total, unit, scaled, leave = bar.all
        assert desc.startswith(name)
        assert (n, total, unit, scaled, leave) == (size, size, "B", True, False)


def test_a_file_of_a_size_that_is_just_allowed_is_taken(mirrors, home, monkeypatch):
    largest = max(len(gzip.decompress((mirrors.one / name).read_bytes())) for name in GZ)
    monkeypatch.setattr(mnist, "MOST", largest)
    data.load("mnist")
    monkeypatch.setattr(mnist, "MOST", largest - 1)
    with pytest.raises(ValueError, match=f"a gzip file of more than {largest - 1} bytes"):
        data.load("mnist")


def absent(mirrors, name):
    (mirrors.one / name).unlink()


def altered(mirrors, name):
    raw = bytearray(gzip.decompress((mirrors.one / name).read_bytes()))
    raw[-1] ^= 1
    (mirrors.one / name).write_bytes(gzip.compress(raw))


def a_page(mirrors, name):
    (mirrors.one / name).write_text("<html>Sign in to the network</html>")


def cut_short(mirrors, name):
    mirrors.cut.add(f"/one/{name}")


@pytest.mark.parametrize("fault", [absent, altered, a_page, cut_short])
@pytest.mark.parametrize("name", [GZ[0], GZ[-1]])
def test_a_mirror_with_a_fault_is_passed_over(mirrors, home, fault, name):
    fault(mirrors, name)
    data.load("mnist")
    assert mirrors.asked.index(f"/two/{name}") == mirrors.asked.index(f"/one/{name}") + 1
    assert len(mirrors.asked) == 5
    assert (home / name).read_bytes() == (mirrors.two / name).read_bytes()


def test_if_all_fail_one_error_names_them_the_reasons_and_the_way_out(mirrors, home, monkeypatch):
    closed = "http://127.0.0.1:9/"
    monkeypatch.setattr("vaelib.data.mnist.MIRRORS", (*mirrors.urls, closed))
    altered(mirrors, GZ[2])
    (mirrors.two / GZ[2]).unlink()
    with pytest.raises(FileNotFoundError) as error:
        data.load("mnist")
    first, one, two, three, way_out = str(error.value).splitlines()
    assert first == f"no mirror gives MNIST's {GZ[2]}:"
    assert one == f"  {mirrors.urls[0]}: not MNIST's {GZ[2][:-3]}: its SHA-256 differs"
    assert two.startswith(f"  {mirrors.urls[1]}: 404 ")
    assert three.startswith(f"  {closed}: ")
    assert "refused" in three
    assert "four files into a folder and set VAELIB_DATA_DIR" in way_out
    assert "VAELIB_DATASET=digits" in way_out
    assert names(home) == sorted(GZ[:2])


def test_a_bar_says_what_is_being_fetched(mirrors, home, capsys):
    data.load("mnist")
    shown = capsys.readouterr().err
    assert all(f"{name}:   0%" in shown for name in GZ)
