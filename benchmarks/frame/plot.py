"""A result as one picture that a grey printer keeps apart: time and memory of every contender at every size."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.frame.contender import Role
from benchmarks.frame.reading import GB, MIB, Reading, wall

if TYPE_CHECKING:
    from benchmarks.frame.result import Result

GREYS = ("0.85", "0.65", "1.0", "0.45", "0.75", "0.92", "0.55")
HATCHES = ("//", "", "xx", "\\\\", "..", "--", "oo")


def draw(result: Result, path: Path) -> None:
    """Ours is black, limits are outlines; a cross stands for who failed. Needs matplotlib (requirements/bench.txt)."""
    try:
        import matplotlib as mpl  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415  # in bench.txt alone
    except ImportError:
        return
    mpl.use("Agg")
    from matplotlib import pyplot as plt  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415  # after `use`

    start = result.starts[-1]
    figure, (time, memory) = plt.subplots(1, 2, figsize=(12, 4.8), width_ratios=(3, 2), layout="constrained")
    _bars(time, result, start, lambda reading: wall(reading) / (result.size / GB))
    time.set_yscale("log")
    time.set_ylabel(f"seconds per GB {result.per} (log)")
    _bars(memory, result, start, lambda reading: reading.peak / MIB)
    memory.set_ylabel("peak memory, MiB")
    for number, size in enumerate(result.form.sizes):
        memory.plot((number - 0.45, number + 0.45), (size, size), color="black", linewidth=1, linestyle=":")
    memory.set_ylim(0, 1.1 * max((reading.peak / MIB for reading in result.readings.all), default=1.0))
    handles, labels = time.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    figure.suptitle(f"{result.title} ({start}; x: failed; dotted: the cap)", fontsize=11)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _bars(axes: Any, result: Result, start: str, of: Callable[[Reading], float]) -> None:
    width = 0.9 / len(result.contenders)
    peers = limits = 0
    for place, contender in enumerate(result.contenders):
        style: dict[str, str] = {"color": "black"}
        if contender.role is Role.LIMIT:
            style = {"facecolor": "white", "edgecolor": "black", "linestyle": "--", "hatch": "|" * limits}
            limits += 1
        elif contender.role is Role.PEER:
            style = {
                "facecolor": GREYS[peers % len(GREYS)],
                "edgecolor": "black",
                "hatch": HATCHES[peers % len(HATCHES)],
            }
            peers += 1
        label: str | None = contender.name
        for number, size in enumerate(result.form.sizes):
            at = number - 0.45 + (place + 0.5) * width
            spread = result.readings.spread(contender.name, size, start, of)
            if spread:
                error = ((spread.middle - spread.least,), (spread.most - spread.middle,))
                axes.bar(at, spread.middle, width, yerr=error, ecolor="0.3", capsize=1.5, label=label, **style)
                label = None
            elif result.readings.failed(contender.name, size, "cold"):
                axes.text(at, 0.01, "x", ha="center", transform=axes.get_xaxis_transform(), fontsize=8)
        if label:
            axes.bar(0, 0, width, label=label, **style)
    axes.set_xticks(range(len(result.form.sizes)), [f"{size:,} MB" for size in result.form.sizes])
    axes.spines[["top", "right"]].set_visible(False)
