"""What the object cache saves.

    python -m benchmarks.sync

The content of one file under ten names, and 30 files twice over, through `penstock.sync.ObjectCache` and without it;
transfers are counted at a proxy. (`penstock sync` beside other commands is a workload of `make bench`.)
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import boto3
from benchmarks.counting_proxy import Counts, counting_proxy

from penstock.limits import KIB
from penstock.wiring.object_cache import ObjectCache
from penstock_local.account import emulator_only

RESULTS = Path(__file__).parent / "results"
BUCKET = "benchmark-lake"


@dataclass(frozen=True, slots=True)
class Transfers:
    """One way through one experiment."""

    experiment: str
    way: str
    transfers: int
    moved: int


def main() -> None:
    with emulator_only() as account, counting_proxy(account.endpoint) as proxy, _folder() as folder:
        client = account.client("s3")
        client.create_bucket(Bucket=BUCKET)
        transfers = list(_experiments(proxy, client, folder))
    _write(transfers)


def _experiments(proxy: Counts, client: Any, folder: Path) -> Iterator[Transfers]:
    data = Random(2)
    seeds = [data.randbytes(64 * KIB) for _ in range(30)]
    experiments = {
        "30 files, each fetched twice": [(f"30/{number}", seed) for number, seed in enumerate(seeds)] * 2,
        "one file under ten names, fetched": [(f"10/{number}", seeds[0]) for number in range(10)],
    }
    for name, wanted in experiments.items():
        for key, body in wanted:
            client.put_object(Bucket=BUCKET, Key=key, Body=body)
        ways: dict[str, Callable[[], None]] = {
            "without": partial(_fetch_plainly, proxy, wanted, folder / "plain" / name),
            "with the cache": partial(_fetch_cached, proxy, wanted, folder / "cache" / name),
        }
        for way, fetch in ways.items():
            proxy.reset()
            fetch()
            yield Transfers(name, way, proxy.transfers, proxy.moved)
    names = [f"up/{number}" for number in range(10)]
    for way, send in {"without": _send_plainly, "with the cache": _send_cached}.items():
        proxy.reset()
        send(proxy, names, Random(3).randbytes(64 * KIB), folder / f"send {way}")
        yield Transfers("one file under ten names, sent", way, proxy.transfers, proxy.moved)


def _client(proxy: Counts) -> Any:
    return boto3.client(
        "s3", endpoint_url=proxy.url, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
    )


def _fetch_plainly(proxy: Counts, wanted: list[tuple[str, bytes]], folder: Path) -> None:
    client = _client(proxy)
    for key, body in wanted:
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        client.download_file(BUCKET, key, str(path))
        assert path.read_bytes() == body


def _fetch_cached(proxy: Counts, wanted: list[tuple[str, bytes]], folder: Path) -> None:
    with ObjectCache(BUCKET, "", folder, endpoint_url=proxy.url) as cache:
        for key, body in wanted:
            assert cache.download(key).read_bytes() == body


def _send_plainly(proxy: Counts, names: list[str], body: bytes, folder: Path) -> None:
    client = _client(proxy)
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        client.upload_file(str(path), BUCKET, f"plain/{name}")


def _send_cached(proxy: Counts, names: list[str], body: bytes, folder: Path) -> None:
    with ObjectCache(BUCKET, "cached", folder, endpoint_url=proxy.url) as cache:
        for name in names:
            path = cache.path_of(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body)
            cache.upload(name)


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="penstock-sync-") as name:
        os.environ.update(
            XDG_CACHE_HOME=f"{name}/known",
            AWS_ACCESS_KEY_ID="test",
            AWS_SECRET_ACCESS_KEY="test",
            AWS_DEFAULT_REGION="us-east-1",
        )
        yield Path(name)


def _write(transfers: list[Transfers]) -> None:
    lines = [
        "# What the object cache saves",
        "",
        "`python -m benchmarks.sync`: transfers of contents, counted at a proxy.",
        "",
        "| experiment | transfers without | with the cache | bytes without | with the cache |",
        "|---|---|---|---|---|",
    ]
    for one, other in zip(transfers[::2], transfers[1::2], strict=True):
        lines.append(f"| {one.experiment} | {one.transfers} | {other.transfers} | {one.moved:,} | {other.moved:,} |")
    lines += ["", "![Transfers with and without the cache](object-cache.png)", ""]
    print("\n".join(lines))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "object-cache.md").write_text("\n".join(lines))
    _plot(transfers, RESULTS / "object-cache.png")


def _plot(transfers: list[Transfers], path: Path) -> None:
    """Bars that differ in lightness and hatching: legible in grey."""
    from matplotlib.figure import Figure  # noqa: PLC0415  # of requirements/bench.txt; a second to import

    figure = Figure(figsize=(7, 2.8), layout="constrained")
    axes = figure.add_subplot()
    styles = {"without": ("0.35", ""), "with the cache": ("0.85", "//")}
    experiments = [one.experiment for one in transfers[::2]]
    for offset, (way, (grey, hatch)) in zip((-0.2, 0.2), styles.items(), strict=True):
        counts = [one.transfers for one in transfers if one.way == way]
        places = [number + offset for number in range(len(counts))]
        bars = axes.barh(places, counts, 0.38, color=grey, hatch=hatch, edgecolor="black", label=way)
        axes.bar_label(bars, padding=3)
    axes.set_yticks(range(len(experiments)), experiments)
    axes.invert_yaxis()
    axes.set_xlabel("transfers of the whole content")
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.1)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=144)


if __name__ == "__main__":
    main()
