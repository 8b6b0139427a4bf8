"""The pictures of a recorded benchmark, each with its alternative text."""

import numpy as np
from matplotlib.figure import Figure

from vaelib.prose import readable

OURS, OTHERS, LIMIT = "#0072B2", "#9AA5AE", "#B34700"
FIT = "vaelib's fit"


def speed(record):
    """Bars of images a second, one panel a group, and the floor as a line."""
    groups = record["groups"]
    heights = [len(g["rows"]) + 1.2 for g in groups]
    figure = Figure(figsize=(7, 0.3 * sum(heights)))
    panels = figure.subplots(len(groups), squeeze=False, height_ratios=heights)[:, 0]
    for ax, group in zip(panels, groups, strict=True):
        names = [row["name"] for row in group["rows"]]
        low, middle, high = np.array([row["speed"] for row in group["rows"]]).T
        colors = [OURS if name == FIT else OTHERS for name in names]
        ax.barh(names, middle, xerr=[middle - low, high - middle], color=colors, ecolor="#444444")
        ax.axvline(group["floor"], color=LIMIT, linestyle="--")
        ax.annotate(" floor", (group["floor"], -0.6), color=LIMIT, fontsize=9)
        ax.invert_yaxis()
        ax.set_title(group["title"], loc="left")
        ax.xaxis.set_major_formatter("{x:,.0f}")
    panels[-1].set_xlabel("images a second")
    said = "; ".join(f"{g['title']}: {_fastest(g)}" for g in groups)
    return figure, f"Bars of training speed with the floor as a line. {said}."


def _fastest(group):
    rows = sorted(group["rows"], key=lambda row: -row["speed"][1])
    shown = ", ".join(f"{r['name']} {r['speed'][1]:,.0f}" for r in rows)
    return f"{shown}, floor {group['floor']:,.0f} images a second"


def roofline(record):
    """FLOP/s against FLOPs a byte: what the machine allows, and where the work lies."""
    limits, points = record["limits"], roofline_points(record)
    rate, lowest = float32_rate(limits) / 1e9, min(r for _, r in points.values()) / 4e9
    figure = Figure(figsize=(7, 3.8))
    ax = figure.subplots()
    ax.set(xlabel="operations a byte", ylabel="GFLOP/s", xlim=(0.1, 1000), ylim=(lowest, 2 * rate))
    x = np.geomspace(*ax.get_xlim(), 500)
    for name, style in (("cache", "-"), ("memory", ":")):
        slope = limits[name] / 1e9
        ax.loglog(x, np.minimum(rate, slope * x), style, color=LIMIT)
        low = max(0.13, 1.4 * lowest / slope)
        ax.annotate(f"  {name}", (low, slope * low), va="top", color=LIMIT)
    ax.annotate("matrix products", (900, 1.1 * rate), ha="right", color=LIMIT)
    for (name, (intensity, reached)), marker in zip(points.items(), "osD^v", strict=False):
        ax.plot(intensity, reached / 1e9, marker, label=name)
    ax.yaxis.set_major_formatter("{x:,.0f}")
    figure.legend(loc="outside lower center", ncols=2)
    said = "; ".join(f"{name}: {reached / 1e9:,.0f}" for name, (_, reached) in points.items())
    return figure, f"Roofline at {rate:,.0f} GFLOP/s, and the GFLOP/s that are reached: {said}."


def roofline_points(record):
    """Operations a byte and FLOP/s of ``fit`` in each group, and of ``log_evidence``."""
    points = {}
    for group in record["groups"]:
        (fit,) = (row for row in group["rows"] if row["name"] == FIT)
        rate = group["flops"] * fit["speed"][1] / group["batch"]
        points[f"fit, {group['title']}"] = group["flops"] / group["bytes"], rate
    evidence = record["evidence"]
    slowest = max(evidence["parts"], key=lambda part: part["whole"])
    points["log_evidence"] = evidence["flops"] / evidence["bytes"], slowest["rate"]
    return points


def float32_rate(limits):
    return max(p["rate"] for p in limits["products"].values() if p["error"] < 1e-5)


def growth(record):
    """Time and memory against each size, on logarithmic axes, with the slope of the upper half."""
    panels = record["growth"]
    figure = Figure(figsize=(8.4, 4))
    axes = figure.subplots(2, len(panels), sharex="col", sharey="row")
    for row, (quantity, unit) in enumerate((("seconds", 1e-3), ("memory", 1e6))):
        for ax, panel in zip(axes[row], panels, strict=True):
            _curve(ax, panel, quantity, unit)
    for ax, panel in zip(axes[0], panels, strict=True):
        ax.set_title(panel["name"])
    axes[0, 0].set_ylabel("milliseconds")
    axes[1, 0].set_ylabel("megabytes")
    said = ", ".join(
        f"{p['name']} {p['slopes']['seconds']:.2f} and {p['slopes']['memory']:.2f}" for p in panels
    )
    alt = f"Time and memory against five sizes; slopes of time and of memory: {said}."
    return figure, readable(alt)


def _curve(ax, panel, quantity, unit):
    sizes, values = np.array(panel["sizes"]), np.array(panel[quantity]) / unit
    upper, slope = slice(len(sizes) // 2, None), panel["slopes"][quantity]
    middle = np.exp(np.log(values[upper] / sizes[upper] ** slope).mean())
    ax.loglog(sizes, values, "o", color=OURS, markersize=4)
    ax.loglog(sizes[upper], middle * sizes[upper] ** slope, "--", color=LIMIT)
    ax.annotate(readable(f"slope {slope:.2f}"), (0.05, 0.9), xycoords="axes fraction", color=LIMIT)
