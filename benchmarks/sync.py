"""`penstock sync` beside `aws s3 sync`, and what the object cache saves.

    python -m benchmarks.sync [--files N] [--repeat K] [--aws PATH]

First: a folder of small files and three multipart objects, already in the bucket, is synchronised again, up and down.
Both commands are fresh processes on the same server (the emulator, in a process of its own), take turns, and have run
once before, so that Penstock knows the digests of the files, as after any earlier sync. Bytes are counted by a proxy.

Second: the content of one file under ten names, and 30 files twice over, through `penstock.sync.ObjectCache` and
without it; transfers are counted at the same proxy.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

import boto3
from benchmarks.counting_proxy import Counts, counting_proxy

from penstock.limits import KIB, MIB
from penstock.sync import ObjectCache
from penstock_local.account import Account, emulator_only

RESULTS = Path(__file__).parent / "results"
BUCKET = "benchmark-lake"
PARTS = (5 * MIB, 8 * MIB, 16 * MIB)


@dataclass(frozen=True, slots=True)
class Run:
    """One process, from start to end; what it moved beyond listings."""

    command: str
    direction: str
    seconds: float
    cpu_seconds: float
    requests: int
    moved: int


@dataclass(frozen=True, slots=True)
class Transfers:
    """One way through one experiment."""

    experiment: str
    way: str
    transfers: int
    moved: int


def main(arguments: list[str]) -> int:
    options = _options(arguments)
    load = os.getloadavg()[0]
    with emulator_only() as account, counting_proxy(account.endpoint) as proxy, _folder() as folder:
        client = account.client("s3")
        client.create_bucket(Bucket=BUCKET)
        runs = list(_compared(account, proxy, folder, options))
        transfers = list(_experiments(proxy, client, folder))
    _write(runs, transfers, options, load)
    return 0


def _compared(account: Account, proxy: Counts, folder: Path, options: argparse.Namespace) -> Iterator[Run]:
    tree = folder / "tree"
    random = Random(1)
    for number in range(options.files):
        path = tree / f"{number % 20:02}" / f"{number:05}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(random.randbytes(random.randrange(1 * KIB, 16 * KIB)))
    environment = {
        **account.isolated(os.environ),
        "AWS_ENDPOINT_URL": proxy.url,
        "XDG_CACHE_HOME": str(folder / "known"),
    }
    prefix = f"s3://{BUCKET}/tree"
    penstock = [str(Path(sys.executable).parent / "penstock"), "sync"]
    commands = {"penstock sync": penstock, "aws s3 sync": [options.aws, "s3", "sync"]}
    _run(commands["penstock sync"], [str(tree), prefix], environment)
    for part in PARTS:
        _put_parts(account.client("s3"), tree, part)
    # Digests of files that have just changed are not remembered.
    time.sleep(2.5)
    for direction, ends in {"up": [str(tree), prefix], "down": [prefix, str(tree)]}.items():
        for turn in range(options.repeat + 1):
            for name, command in commands.items():
                proxy.reset()
                began, spent = time.perf_counter(), _children()
                said = _run(command, ends, environment)
                seconds = time.perf_counter() - began
                if turn:  # the first one warms up
                    yield Run(name, direction, seconds, _children() - spent, proxy.requests, proxy.moved)
                assert proxy.moved == 0, f"{name} moved {proxy.moved} bytes: {said[:400]}"


def _put_parts(client: Any, tree: Path, part: int) -> None:
    """An object of parts of this size, and then the file: not older, or the aws command would send it again."""
    data = Random(part).randbytes(2 * part + 1000)
    path, key = tree / f"parts-{part // MIB}", f"tree/parts-{part // MIB}"
    path.write_bytes(data)
    old = time.time() - 100
    os.utime(path, (old, old))
    upload = client.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"]
    sent = []
    for number, at in enumerate(range(0, len(data), part), 1):
        answer = client.upload_part(
            Bucket=BUCKET, Key=key, UploadId=upload, PartNumber=number, Body=data[at : at + part]
        )
        sent.append({"PartNumber": number, "ETag": answer["ETag"]})
    client.complete_multipart_upload(Bucket=BUCKET, Key=key, UploadId=upload, MultipartUpload={"Parts": sent})


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


def _run(command: list[str], ends: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run([*command, *ends], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{command}: {done.stderr}")
    return done.stdout


def _children() -> float:
    spent = os.times()
    return spent.children_user + spent.children_system


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


def _write(runs: list[Run], transfers: list[Transfers], options: argparse.Namespace, load: float) -> None:
    lines = [
        f"# {options.files:,} unchanged files and {len(PARTS)} multipart objects, synchronised again",
        "",
        f"Python {platform.python_version()}, {os.cpu_count()} cores, {_version(options.aws)}; a fresh process each,",
        f"medians of {options.repeat} after one to warm up. `python -m benchmarks.sync`.",
        f"Load of the machine by others when it began: {load:.1f}.",
        "",
        "| direction | command | seconds | of CPU | requests | bytes moved |",
        "|---|---|---|---|---|---|",
    ]
    for direction in ("up", "down"):
        for command in ("penstock sync", "aws s3 sync"):
            some = [run for run in runs if (run.direction, run.command) == (direction, command)]
            wall, cpu = median(run.seconds for run in some), median(run.cpu_seconds for run in some)
            lines.append(
                f"| {direction} | `{command}` | {wall:.2f} | {cpu:.2f} | {some[-1].requests} | {some[-1].moved} |"
            )
    lines += [
        "",
        "# What the object cache saves",
        "",
        "| experiment | transfers without | with the cache | bytes without | with the cache |",
        "|---|---|---|---|---|",
    ]
    for one, other in zip(transfers[::2], transfers[1::2], strict=True):
        lines.append(f"| {one.experiment} | {one.transfers} | {other.transfers} | {one.moved:,} | {other.moved:,} |")
    lines += ["", "![Transfers with and without the cache](sync.png)", ""]
    print("\n".join(lines))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "sync.md").write_text("\n".join(lines))
    figures = {"runs": [asdict(run) for run in runs], "transfers": [asdict(one) for one in transfers]}
    (RESULTS / "sync.json").write_text(json.dumps(figures, indent=1) + "\n")
    _plot(transfers, RESULTS / "sync.png")


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


def _version(aws: str) -> str:
    said = subprocess.run([aws, "--version"], capture_output=True, text=True, check=True).stdout
    return said.split()[0].replace("/", " ")


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--repeat", type=int, default=5)
    beside = Path(sys.executable).parent / "aws"
    parser.add_argument("--aws", default=str(beside) if beside.exists() else shutil.which("aws"))
    options = parser.parse_args(arguments)
    if not options.aws:
        parser.error("no aws command: pip install -r requirements/bench.txt, or name one by --aws")
    return options


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
