"""Cold start: what importing a handler and making its clients costs, each time in a fresh interpreter.

    python -m benchmarks.imports [--repeat K]

Times are from the first import to the last client, without the interpreter's own start; memory is that of the whole
process. Subjects take turns, so that a busy machine is unfair to none, and each is compared with the usual beginning in
the same turn: medians of those ratios, and the quartiles around them. Exits with 1 where ingest misses its target.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median, quantiles

from penstock_local.sources import checkout

MIB = 1024 * 1024
RESULTS = Path(__file__).parent / "results"
PROBE = """
import resource, sys, time
wall, cpu = time.perf_counter(), time.process_time()
{code}
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
resident = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmRSS"))
print(wall, cpu, resident * 1024, len(sys.modules))
"""


@dataclass(frozen=True, slots=True)
class Subject:
    name: str
    code: str
    path: tuple[str, ...] = ()


def function(verb: str, code: str) -> Subject:
    """One of Penstock's functions, or as much of it as the code touches."""
    return Subject(f"Penstock's {verb}", code.format(verb=verb), (f"functions/{verb}", "layers/penstock"))


BEGUN = "import app; from penstock.wiring import functions; functions.{verb}()"
USUAL = Subject("boto3 and an S3 client", "import boto3; boto3.client('s3')")
INGEST = function("ingest", BEGUN)
SUBJECTS = (
    Subject("nothing", "pass"),
    USUAL,
    Subject("boto3, S3 and DynamoDB clients", "import boto3; boto3.client('s3'); boto3.client('dynamodb')"),
    Subject("the usual handler", "import benchmarks.peers.gunzip_disk", (".",)),
    replace(function("ingest", "import app"), name="Penstock's ingest, imported only"),
    INGEST,
    *(function(verb, BEGUN) for verb in ("plan", "index", "work", "finish", "abort")),
)

# The CPU of a cold start of ingest, as a multiple of what everybody pays who has an S3 client.
TARGET = 1.3
# Fewer interpreters say little on a machine that does other things.
ENOUGH = 15


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds, bytes and modules of one fresh interpreter."""

    subject: str
    wall: float
    cpu: float
    resident: float
    modules: float


def measure(subject: Subject, root: Path) -> Cost:
    environment = {
        "PATH": os.environ["PATH"],
        "LAMBDA_TASK_ROOT": str(root),  # outside Lambda the X-Ray SDK makes a client of its own: 19 MB, 0.2 s
        "PYTHONPATH": os.pathsep.join(str(root / folder) for folder in subject.path),
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
        "PENSTOCK_JOBS_TABLE": "jobs",
        "PENSTOCK_SOURCE_BUCKET": "source",
        "PENSTOCK_DESTINATION_BUCKET": "destination",
        "PENSTOCK_WORK_BUCKET": "work",
        "PENSTOCK_STATE_MACHINE": "arn:aws:states:us-east-1:123456789012:stateMachine:jobs",
        "POWERTOOLS_SERVICE_NAME": "penstock",
        "POWERTOOLS_METRICS_NAMESPACE": "Penstock",
        "POWERTOOLS_TRACE_DISABLED": "false",
    }
    probe = [sys.executable, "-c", PROBE.format(code=subject.code)]
    answer = subprocess.run(probe, env=environment, check=True, capture_output=True, text=True).stdout
    return Cost(subject.name, *map(float, answer.split()))


def measure_all(repeat: int) -> Iterator[Cost]:
    root = checkout()
    for _ in range(repeat):
        for subject in SUBJECTS:
            yield measure(subject, root)


def ratios(costs: Sequence[Cost], subject: Subject) -> list[float]:
    """A subject's CPU as a multiple of the usual beginning's in the same turn, for each turn."""
    own, usual = ([cost.cpu for cost in costs if cost.subject == one.name] for one in (subject, USUAL))
    return [one / other for one, other in zip(own, usual, strict=True)]


def spread(values: Sequence[float]) -> str:
    """The median, and the quartiles around it."""
    low, middle, high = quantiles(values, n=4, method="inclusive") if len(values) > 1 else (*values, *values, *values)
    return f"{middle:.2f} ({low:.2f}-{high:.2f})"


def table(costs: Sequence[Cost]) -> str:
    lines = ["| fresh interpreter | CPU, times the usual | CPU ms | wall ms | MiB resident | modules |"]
    lines.append("|---|---|---|---|---|---|")
    for subject in SUBJECTS:
        own = [cost for cost in costs if cost.subject == subject.name]
        cpu, wall = median(cost.cpu for cost in own) * 1000, median(cost.wall for cost in own) * 1000
        resident = median(cost.resident for cost in own) / MIB
        lines.append(
            f"| {subject.name} | {spread(ratios(costs, subject))} | {cpu:.0f} | {wall:.0f} | {resident:.1f} "
            f"| {own[0].modules:.0f} |"
        )
    return "\n".join(lines)


def verdict(costs: Sequence[Cost]) -> tuple[str, bool]:
    """What became of the target, and whether it was missed; too few interpreters miss nothing."""
    found = ratios(costs, INGEST)
    middle = median(found)
    said = f"Target: ingest within {TARGET} times the CPU of {USUAL.name}, the usual. It takes {middle:.2f}"
    if len(found) < ENOUGH:
        return f"{said}, of {len(found)} interpreters each; {ENOUGH} would tell.", False
    missed = middle > TARGET
    return f"{said}, of {len(found)} interpreters each: {'missed' if missed else 'met'}.", missed


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.imports", description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "--repeat", type=int, default=ENOUGH, help="interpreters for each subject (default: %(default)s)"
    )
    costs = list(measure_all(parser.parse_args(argv).repeat))
    said, missed = verdict(costs)
    report = f"{table(costs)}\n\n{said}\n"
    print(report, end="")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "imports.md").write_text(report)
    (RESULTS / "imports.json").write_text(json.dumps([asdict(cost) for cost in costs], indent=1) + "\n")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
