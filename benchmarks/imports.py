"""Cold start: what importing a handler and making its clients costs, each time in a fresh interpreter.

    python -m benchmarks.imports [--repeat K]

Times are from the first import to the last client, without the interpreter's own start; memory is that of the whole
process. Subjects take turns, so that a busy machine is unfair to none.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from penstock_local.tools import checkout

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


SUBJECTS = (
    Subject("nothing", "pass"),
    Subject("boto3 and an S3 client", "import boto3; boto3.client('s3')"),
    Subject("boto3, S3 and DynamoDB clients", "import boto3; boto3.client('s3'); boto3.client('dynamodb')"),
    Subject("the usual handler", "import app", ("benchmarks/usual",)),
    Subject("Penstock's ingest handler", "import app", ("functions/ingest", "layers/penstock")),
    Subject(
        "the same, all clients made",
        "import app; from penstock.wiring import deployed; deployed.ingest()",
        ("functions/ingest", "layers/penstock"),
    ),
)


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


def table(costs: list[Cost]) -> str:
    lines = ["| fresh interpreter | wall ms | CPU ms | MiB resident | modules |", "|---|---|---|---|---|"]
    for subject in SUBJECTS:
        own = [cost for cost in costs if cost.subject == subject.name]
        wall, cpu = (median(values) * 1000 for values in zip(*((cost.wall, cost.cpu) for cost in own), strict=True))
        resident = median(cost.resident for cost in own) / MIB
        lines.append(f"| {subject.name} | {wall:.0f} | {cpu:.0f} | {resident:.1f} | {own[0].modules:.0f} |")
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.imports", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--repeat", type=int, default=7, help="interpreters for each subject (default: %(default)s)")
    costs = list(measure_all(parser.parse_args(argv).repeat))
    report = table(costs)
    print(report)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "imports.md").write_text(report + "\n")
    (RESULTS / "imports.json").write_text(json.dumps([asdict(cost) for cost in costs], indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
