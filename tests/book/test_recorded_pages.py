"""Pages over recorded runs show every row and every number of their record, here of another one."""

import json
import re

import pytest
from IPython.core.interactiveshell import InteractiveShell
from matplotlib import pyplot as plt

from tests.book.chapter_source import ROOT, Chapter
from tests.cases import cases


def row(name, median, ratio, floor):
    speed = [median - 100, median, median + 100]
    return {"name": name, "speed": speed, "ratio": ratio, "interval": [ratio, ratio]} | floor


def panel(name, time, memory):
    slopes = {"seconds": time, "memory": memory}
    points = {"sizes": [2, 4, 8, 3456], "seconds": [0.1, 0.2, 0.4, 0.8], "memory": [5, 6, 7, 8]}
    return points | {"name": name, "of": "step", "slopes": slopes}


PRODUCTS = {"highest": {"rate": 1.5e11, "error": 2e-7}, "high": {"rate": 9e11, "error": 3e-4}}
RECORD = {
    "command": "python -m benchmarks --rounds 7",
    "date": "2031-02-03",
    "machine": {"processor": "Abacus 3", "system": "Linux", "threads": 5},
    "versions": {"torch": "9.8", "pythae": "7.6"},
    "data": "random pixels",
    "rounds": 7,
    "limits": {"products": PRODUCTS, "cache": 1.45e11, "memory": 3.1e10},
    "groups": [
        {
            "title": "First group",
            "batch": 100,
            "flops": 3e8,
            "bytes": 1e7,
            "floor": 50123.0,
            "rows": [
                row("vaelib's fit", 20456.0, 1.0, {"floor": 0.41}),
                row("a peer", 8765.0, 2.34, {"floor": 0.17, "interval": [2.31, 2.42]}),
                row("matrix products alone", 32000.0, 0.64, {"floor": 0.6}),
            ],
        }
    ],
    "distributions": 0.094,
    "layers": [
        {"layer": "Conv2d, 3×4×4 → 2×2×2", "seconds": 0.01234, "share": 0.753},
        {"layer": "Linear, 8 → 3", "seconds": 0.00405, "share": 0.247},
    ],
    "evidence": {
        "images": 10_000,
        "samples": 5_000,
        "flops": 3.2e13,
        "bytes": 1.6e11,
        "memory": 287_000_000,
        "parts": [
            {"images": 65, "samples": 5_000, "seconds": 5.1, "whole": 784.0, "rate": 4.2e10}
            | {"floor": 0.23},
            {"images": 10_000, "samples": 27, "seconds": 4.9, "whole": 907.0, "rate": 3.6e10}
            | {"floor": 0.19},
        ],
    },
    "growth": [panel("batch", 0.81, 0.72), panel("latent", 0.45, 0.49)],
}
SHOWN = [  # the rows of six tables, below two of headings in each
    "matrix products, route “highest” | 150 GFLOP/s | 2·10⁻⁷",
    "matrix products, route “high” | 900 GFLOP/s | 0.0003",
    "bytes from and to cache | 145 GB/s |",
    "bytes from and to memory | 31 GB/s |",
    "vaelib's fit | 20,456 | 20,356 to 20,556 | 1.00 × | 41 %",
    "a peer | 8,765 | 8,665 to 8,865 | 2.34 × (2.31 to 2.42) | 17 %",
    "matrix products alone | 32,000 | 31,900 to 32,100 | 0.64 × | 60 %",
    "the floor | 50,123 | | | 100 %",
    "Conv2d, 3×4×4 → 2×2×2 | 12.34 | 75 %",
    "Linear, 8 → 3 | 4.05 | 25 %",
    "65 images, 5,000 samples | 5.1 | 784 s, 12.8 images a second | "
    "42, 28 % of the products' limit | 23 %",
    "10,000 images, 27 samples | 4.9 | 907 s, 11.0 images a second | "
    "36, 24 % of the products' limit | 19 %",
    "fit, First group | 30.0 | 61",
    "log_evidence | 200.0 | 36",
    "batch | 2 | 3,456 | step | 0.81 | 0.72",
    "latent | 2 | 3,456 | step | 0.45 | 0.49",
]


def entry(kind, changes, unnoticed, day="2031-02-03"):
    missed = [["a → b", "why"]] * unnoticed
    known = {"kind": kind, "changes": changes, "unnoticed": missed}
    return known | {"date": day, "torch": "9.8+cpu"}


MUTANTS = {
    "first": entry("room", 1200, 30),
    "second": entry("room", 200, 10, "2031-03-04"),
    "third": entry("chapter", 70, 0),
    "fourth": entry("chapter", 30, 0, "2031-02-05"),
}
RUN = {
    "command": "make tested",
    "date": "2031-02-03",
    "versions": {"torch": "9.8+cpu"},
    "groups": [
        {"title": "Data", "command": "pytest d", "tests": 1234, "figures": {"files read": 20000}},
        {"title": "Fuzzing", "command": "make fuzz", "figures": {"inputs": 7}},
    ],
    "oldest": {
        "command": "make oldest",
        "date": "2031-02-04",
        "versions": {"torch": "1.2.0+cpu", "python": "3.99.1"},
        **{"tests": 4321, "failed": 0, "skipped": 76},
        "again": {"command": "pytest t", "tests": 1017, "failed": 5},
    },
}


def loss(package, verdict, optimises, **found):
    common = {"version": None, "loss": "VAE", "says": "says", "link": "https://a.b/c"}
    told = {"beta": None, "variance": None, "sizes": "", "differs": False, "sentence": "Do."}
    return common | told | {"package": package, "verdict": verdict, "optimises": optimises} | found


DIFFERS = {"version": "1.2", "variance": 0.25, "sizes": "C = 3", "differs": True}
SHIPPED = {
    "command": "make shipped",
    "date": "2031-02-03",
    "versions": {"torch": "9.8"},
    "rows": [
        loss("First", "bound", "Gaussian", **DIFFERS),
        loss("Last", "no bound", "Gaussian"),
        loss("Other", "bound", "log p(x|z)", beta=0.5, variance=2.0),
        loss("Laplace", "cannot tell", "Laplace", variance=0.1),
    ],
}


DETECTORS = {  # areas for rows of another class, and for shuffled ones
    "vaelib, −log p": (0.9, 0.85),
    "scikit-learn, EllipticEnvelope": (0.7, 0.86),
    "pyod, KNN": (0.95, 0.8),
    "pyod, COPOD": (0.91, 0.5),
    "pyod, ECOD": (0.6, 0.51),
}
SORTS = [("irises", "setosa"), ("irises", "versicolor"), ("wines", "class_0")]
SORTS += [("tumours", "malignant"), ("digits", "1")]


def of_detectors(**changed):
    """Three seeds, in each of which all find a little more, each in its own order."""
    found, rows = DETECTORS | {name.replace("_", ", "): v for name, v in changed.items()}, []
    for name, odd in SORTS + [(table, "shuffled") for table in dict(SORTS)]:
        areas = {n: v[odd == "shuffled"] for n, v in found.items()}
        seeds = {n: [v - k / 2000, v, v + 0.001] for k, (n, v) in enumerate(areas.items())}
        rows.append({"table": name, "odd": odd, "areas": seeds})
    made = {"command": "make detectors", "date": "2031-02-03", "versions": {"pyod": "9.8"}}
    return made | {"rows": rows}


@pytest.fixture
def shown(tmp_path, monkeypatch):
    """Run a page where other records lie; return its text, and the rows of its tables."""

    def run(page, **records):
        page = Chapter(ROOT / f"chapters/{page}.ipynb")
        for name, record in records.items():
            (tmp_path / f"recorded/{name}.json").write_text(json.dumps(record), "utf8")
        shell = InteractiveShell()
        results = [shell.run_cell(cell.source) for cell in page.code]
        assert all(result.success for result in results)
        said = [repr(result.result) for result in results if result.result is not None]
        lines = "\n".join(said).replace("\N{NO-BREAK SPACE}", " ").splitlines()
        rows = [" ".join(line[2:-2].split()) for line in lines if line.startswith("| ")]
        return "\n".join(said), rows

    for folder in ("chapters", "recorded"):
        (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path / "chapters")
    plt.close("all")
    yield run
    plt.close("all")


def test_the_benchmarks(shown):
    text, rows = shown("benchmarks", benchmark=RECORD)
    assert [row for row in rows if row in SHOWN] == SHOWN
    assert len(rows) == len(SHOWN) + 2 * 6
    assert "Measured by `python -m benchmarks --rounds 7` on 3 February 2031" in text
    assert "Abacus 3, Linux, 5 threads; torch 9.8, pythae 7.6; images: random pixels" in text
    text = text.replace("\N{NO-BREAK SPACE}", " ")
    assert "7 rounds" in text
    assert "products take 64 % of fit's step" in text
    assert "best rate they reach 64 %, being small. The other 36" in text
    assert "cost the loop by hand 9 % of a step" in text
    assert "at most 287 MB" in text
    speeds, roofline, growth = (plt.figure(number).axes for number in plt.get_fignums())
    names = [label.get_text() for label in speeds[0].get_yticklabels()]
    shown_speeds = dict(zip(names, (bar.get_width() for bar in speeds[0].patches), strict=True))
    assert shown_speeds == {row["name"]: row["speed"][1] for row in RECORD["groups"][0]["rows"]}
    assert set(speeds[0].lines[-1].get_xdata()) == {50123}
    points = [(line.get_label(), *line.get_xydata()[0].round(3)) for line in roofline[0].lines[2:]]
    assert points == [("fit, First group", 30, 61.368), ("log_evidence", 200, 36)]
    for ax, panel in zip(growth, [*RECORD["growth"]] * 2, strict=True):
        quantity, unit = ("seconds", 1e3) if ax in growth[:2] else ("memory", 1e-6)
        assert ax.lines[0].get_xdata().tolist() == panel["sizes"]
        assert ax.lines[0].get_ydata() == pytest.approx([unit * v for v in panel[quantity]])
        (slope,) = ax.texts
        assert slope.get_text() == f"slope {panel['slopes'][quantity]:.2f}"


def test_the_losses_as_shipped(shown):
    text, rows = shown("as_shipped", shipped=SHIPPED)
    assert [row for row in rows if row.startswith("[")] == [
        "[First](https://a.b/c) 1.2: VAE | says | Gaussian; value and gradient differ | "
        "σ² = 0.25 at β = 1, for C = 3 | Do.",
        "[Other](https://a.b/c), anew: VAE | says | log p(x\\|z) | β = 0.5, σ² = 2 | Do.",
        "[Laplace](https://a.b/c), anew: VAE | says | Laplace | b = 0.1 at β = 1 | Do.",
        "[Last](https://a.b/c), anew: VAE | says | Gaussian | – | Do.",
    ]
    assert "Made by `make shipped` on 3 February 2031; torch 9.8. 1 of the 4 losses" in text


def test_the_detectors(shown):
    text, rows = shown("detectors", detectors=of_detectors())
    by_class, shuffled = rows[2:7], rows[9:]
    assert by_class[0] == "pyod, KNN | " + " | ".join(["0.950 ± 0.002"] * 4)
    order = ["KNN", "COPOD", "−log p", "EllipticEnvelope", "ECOD"]
    assert [row.split(" |")[0].split(", ")[1] for row in by_class] == order
    assert [row.split(" |")[0].split(", ")[1] for row in shuffled][:2] == order[3:1:-1]
    assert "Made by `make detectors` on 3 February 2031; pyod 9.8. 9 sorts of odd rows in 4" in text
    assert text.count("verdict='found'") == 4


@cases(
    ("columns", {"pyod_COPOD": (0.85, 0.5)}),
    ("relations", {"pyod_ECOD": (0.6, 0.9)}),
    ("gaps", {"pyod_KNN": (0.9, 0.8)}),
    ("ellipse", {"scikit-learn_EllipticEnvelope": (0.7, 0.7)}),
)
def test_a_sentence_that_the_record_does_not_bear_out_stops_the_page(shown, capsys, what, changed):
    with pytest.raises(AssertionError):
        shown("detectors", detectors=of_detectors(**changed))
    (stopped,) = re.findall(r"CheckFailed.*: . \(fd-detectors-(\w+)\)", capsys.readouterr().out)
    assert stopped == what


def test_what_is_tested(shown):
    text, rows = shown("tested", mutants=MUTANTS, tested=RUN)
    assert rows[2:4] == [
        "Data | 1,234 | files read: 20,000 | pytest d",
        "Fuzzing | | inputs: 7 | make fuzz",
    ]
    assert rows[6:9] == [
        "first | 1,200 | 1,170 | 97.5 % | 96 to 98 %",
        "second | 200 | 190 | 95.0 % | 91 to 97 %",
        "all | 1,400 | 1,360 | 97.1 % | 96 to 98 %",
    ]
    assert rows[11:] == [
        "third | 70 | 70 | 100.0 % | 95 to 100 %",
        "fourth | 30 | 30 | 100.0 % | 89 to 100 %",
        "all | 100 | 100 | 100.0 % | 96 to 100 %",
    ]
    assert "97.5\N{NO-BREAK SPACE}%" in text
    assert "Made by `make tested`, 3 February 2031; torch 9.8." in text
    assert "Made by `make mutants`, 3 February to 4 March 2031; torch 9.8." in text
    assert "Made by `make mutants`, 3 to 5 February 2031; torch 9.8." in text
    assert "Made by `make oldest`, 4 February 2031; torch 1.2.0." in text
    assert "torch 1.2.0 and Python 3.99.1 4,321 tests ran, 76 were skipped. None failed." in text
    assert "After the mends told below, the 1,017 tests of the files concerned" in text
