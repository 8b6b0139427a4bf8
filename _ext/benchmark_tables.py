"""The tables of a recorded benchmark, and what was run, when and where."""

from datetime import date

from benchmark_plots import float32_rate
from docutils import nodes
from tables import table

from vaelib.prose import readable

TRAINING = ("Contestant", "Images a second", "Quartiles", "fit against it", "Share of the floor")
PRODUCTS = "matrix products alone"
EVIDENCE = ("Measured", "Seconds", "So the whole", "GFLOP/s", "Share of the floor")
GROWTH = ("Size", "From", "To", "Of a", "Slope of time", "Slope of memory")


def machine(record):
    """One paragraph on the run, one table of the limits."""
    day = date.fromisoformat(record["date"])
    made, versions = record["machine"], record["versions"].items()
    yield nodes.paragraph(
        "",
        "",
        nodes.Text("Measured by "),
        nodes.literal("", record["command"]),
        nodes.Text(
            f" on {day.day} {day:%B %Y}: {made['processor']}, {made['system']}, "
            f"{made['threads']} threads; {', '.join(f'{n} {v}' for n, v in versions)}; "
            f"images: {record['data']}; {record['rounds']} rounds."
        ),
    )
    limits = record["limits"]
    rows = [
        (
            f"matrix products, route “{name}”",
            f"{p['rate'] / 1e9:,.0f} GFLOP/s",
            readable(f"{p['error']:.1g}"),
        )
        for name, p in limits["products"].items()
    ]
    for name in ("cache", "memory"):
        rows.append((f"bytes from and to {name}", f"{limits[name] / 1e9:,.0f} GB/s", ""))
    yield table("The machine's limits", ("Limit", "Measured", "Relative error"), rows)


def training(record):
    for group in record["groups"]:
        rows = [_contestant(row) for row in group["rows"]]
        rows.append(("the floor", f"{group['floor']:,.0f}", "", "", "100 %"))
        yield table(group["title"], TRAINING, rows)
        for row in group["rows"]:
            if row["name"] == PRODUCTS:
                yield nodes.paragraph("", _products(row, group, float32_rate(record["limits"])))
    share = f"{100 * record['distributions']:.0f} %"
    yield nodes.paragraph("", f"Distributions cost the loop by hand {share} of a step.")


def _products(row, group, rate):
    """What limits a step: the products, and what is between them."""
    reached = row["speed"][1] * group["flops"] / group["batch"] / rate
    share = row["ratio"]
    return (
        f"Matrix products take {100 * share:.0f} % of fit's step, and of the machine's best rate "
        f"they reach {100 * reached:.0f} %, being small. The other {100 * (1 - share):.0f} % go "
        "into Adam, the pixels' density and many small operations."
    )


def _contestant(row):
    low, middle, high = row["speed"]
    quartiles = f"{low:,.0f} to {high:,.0f}"
    least, most = row.get("interval", (1, 1))
    ratio = f"{row['ratio']:.2f} ×" + f" ({least:.2f} to {most:.2f})" * (least < most)
    return row["name"], f"{middle:,.0f}", quartiles, ratio, f"{100 * row['floor']:.0f} %"


def evidence(record):
    work, rate = record["evidence"], float32_rate(record["limits"])
    rows = [
        (
            f"{part['images']:,} images, {part['samples']:,} samples",
            f"{part['seconds']:.1f}",
            f"{part['whole']:,.0f} s, {work['images'] / part['whole']:,.1f} images a second",
            f"{part['rate'] / 1e9:,.0f}, {100 * part['rate'] / rate:.0f} % of the products' limit",
            f"{100 * part['floor']:.0f} %",
        )
        for part in work["parts"]
    ]
    title = f"log_evidence, {work['images']:,} images with {work['samples']:,} samples each"
    yield table(title, EVIDENCE, rows)
    yield nodes.paragraph("", f"It held at most {work['memory'] / 1e6:,.0f} MB at once.")


def growth(record):
    rows = [
        (
            panel["name"],
            f"{panel['sizes'][0]:,}",
            f"{panel['sizes'][-1]:,}",
            panel["of"],
            readable(f"{panel['slopes']['seconds']:.2f}"),
            readable(f"{panel['slopes']['memory']:.2f}"),
        )
        for panel in record["growth"]
    ]
    yield table("How the cost of fit grows", GROWTH, rows)
