"""`python -m penstock_local.demo [ROWS]`: exits 0 only if every result is right, and leaves nothing running."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

from penstock.errors import PenstockError
from penstock.jobs.ports import JobStore
from penstock.jobs.runner import status
from penstock.limits import MIB
from penstock.model.job import Job
from penstock.model.job_status import JobState, JobStatus
from penstock.model.object import Source
from penstock.model.wording import counted
from penstock.routes import Routes, destination_of, parse_routes
from penstock.settings import Settings
from penstock.wiring.functions import build_job_store
from penstock_local.demo.checks import find_problem, unexpected_leftovers
from penstock_local.demo.display import Progress, load_table, table, write_line
from penstock_local.demo.lake_samples import iceberg_sample, parquet_sample
from penstock_local.demo.load_samples import LoadSample, create_media_tables, load_samples
from penstock_local.demo.samples import ROWS, Sample, Uploaded, samples
from penstock_local.interrupt import sigterm_exits
from penstock_local.sources import checkout
from penstock_local.stack import Stack, change, running

ROUTES = checkout() / "examples" / "demo" / "routes.toml"
MEMORY = 128  # MB: the smallest function of Lambda
WAIT_SECONDS = 180.0  # for all jobs together; they take a tenth of it
POLL_SECONDS = 0.25
INTERRUPTED = 130


def main(arguments: Sequence[str]) -> int:
    """Run the demo and return its exit code."""
    rows = int(arguments[0]) if arguments else ROWS
    logging.basicConfig(format="%(message)s", stream=sys.stdout)
    logging.getLogger("penstock_local").setLevel(logging.INFO)
    try:
        with sigterm_exits(), TemporaryDirectory(prefix="penstock-demo-") as directory:
            return demo(Path(directory), rows)
    except PenstockError as error:
        write_line(f"Error: {error}\n{error.hint}".strip())
        return 1
    except KeyboardInterrupt:
        write_line("\nInterrupted; nothing is left running.")
        return INTERRUPTED


def demo(directory: Path, rows: int) -> int:
    """Start a stack, upload samples, watch their jobs, check the results, and stop the stack."""
    write_line(f"Creating the sample files (accidents.csv.gz has {rows:,} rows and is created once)")
    files = samples(directory, checkout() / ".penstock" / "samples", rows)
    large = files[0].path.stat().st_size + 1  # the state machine takes only larger objects
    parameters = {
        "MemorySize": str(MEMORY), "MaximumConcurrency": "2", "MapConcurrency": "2", "LargeBytes": str(large),
    }  # fmt: skip
    state_dir = directory / "stack"
    with running(routes=ROUTES, parameters=parameters, iceberg="glue", state_dir=state_dir) as stack:
        _use_account_of(stack)
        routes, store = _routes(stack), _job_store(stack)
        uploaded: list[Uploaded] = []
        statuses: list[JobStatus | None] = []
        # The big files run alone on this machine, so that their figures mean something.
        groups = {
            "one file, one function": files[:1],
            "a file too large for one function; the state machine cuts it into spans": files[1:2],
            "other formats that partners send": files[2:],
        }
        for label, group in groups.items():
            write_line(f"\nUploading to s3://{stack.source_bucket}; functions have {MEMORY} MB: {label}\n")
            new = [upload(stack, routes, sample) for sample in group]
            uploaded += new
            statuses += watch(new, store)
        write_line("\nComparing every result with a plain decode, byte for byte\n")
        problems = [find_problem(stack, *row) for row in zip(uploaded, statuses, strict=True)]
        rest = unexpected_leftovers(stack, uploaded)
        write_line("Loading records into PostgreSQL and DynamoDB\n")
        create_media_tables(stack)
        loaded = [load(stack, routes, store, sample) for sample in load_samples()]
        write_line("Writing records to a lake: Parquet, and a table in each catalog of Iceberg\n")
        loaded += [load(stack, routes, store, sample) for sample in (parquet_sample(), iceberg_sample("glue"))]
        tables = change(stack, iceberg="s3tables", state_dir=state_dir)
        loaded.append(load(tables, routes, store, iceberg_sample("s3tables")))
    outcomes = [_outcome(*row) for row in zip(files, statuses, problems, strict=True)]
    write_line(
        table([(sample.key, found, text) for sample, found, text in zip(files, statuses, outcomes, strict=True)])
    )
    write_line("\n" + load_table([(sample, found, wrong or "every row is correct") for sample, found, wrong in loaded]))
    wrong = [*filter(None, problems), *rest, *(f"{sample.label}: {text}" for sample, _, text in loaded if text)]
    write_line(
        "\n"
        + (
            "\n".join(f"WRONG: {text}" for text in wrong)
            or "Every result is right. No upload is open, and nothing is left running."
        )
    )
    return 1 if wrong else 0


def upload(stack: Stack, routes: Routes, sample: Sample) -> Uploaded:
    """Put a sample into the source bucket, whose notification starts a job."""
    with sample.path.open("rb") as file:
        job = put(stack, routes, sample.key, file)
    if sample.members:
        return Uploaded(sample, job.id, f"{sample.key}/")
    return Uploaded(sample, job.id, job.need_object().key)


def put(stack: Stack, routes: Routes, key: str, body: BinaryIO | bytes) -> Job:
    """Put an object and return the job that its notification starts."""
    s3 = stack.client("s3")
    s3.put_object(Bucket=stack.source_bucket, Key=key, Body=body)
    head = s3.head_object(Bucket=stack.source_bucket, Key=key)
    source = Source(stack.source_bucket, key, head["ContentLength"], head["ETag"], head["VersionId"])
    route = routes.find(source.bucket, source.key)
    if route is None:
        raise LookupError(f"no route matches {key}")
    return Job(source, route, destination_of(route, source))


def load(stack: Stack, routes: Routes, store: JobStore, sample: LoadSample) -> tuple[LoadSample, list[JobStatus], str]:
    """Upload the files of a load, wait for their jobs and check the tables."""
    write_line(f"  {sample.label}")
    jobs = [put(stack, routes, key, content) for key, content in sample.files]
    found = wait([job.id for job in jobs], store)
    failed = next((job for job in found if job.state is not JobState.SUCCEEDED), None)
    rows, rejects = (sum(getattr(job.progress, name) for job in found) for name in ("rows", "rejects"))
    if failed or len(found) < len(jobs):
        return sample, found, f"{failed.state}: {failed.failure}" if failed else "not finished"
    if (rows, rejects) != (sample.rows, sample.rejects):
        return sample, found, f"{rows} rows and {rejects} rejects, not {sample.rows} and {sample.rejects}"
    return sample, found, sample.check(stack)


def wait(job_ids: Sequence[str], store: JobStore) -> list[JobStatus]:
    """Wait until all jobs have ended, or until the timeout, and return those that have ended."""
    deadline = time.monotonic() + WAIT_SECONDS
    ended: dict[str, JobStatus] = {}
    while len(ended) < len(job_ids) and time.monotonic() < deadline:
        statuses = {job_id: status(store, job_id) for job_id in job_ids if job_id not in ended}
        ended |= {job_id: found for job_id, found in statuses.items() if found and found.state.final}
        time.sleep(POLL_SECONDS)
    return list(ended.values())


def watch(uploaded: Sequence[Uploaded], store: JobStore) -> list[JobStatus | None]:
    """Show the jobs until all have ended, or until the timeout."""
    progress = Progress()
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        found = [status(store, item.job_id) for item in uploaded]
        progress.show([(item.sample.key, current) for item, current in zip(uploaded, found, strict=True)])
        if all(current and current.state.final for current in found) or time.monotonic() > deadline:
            return found
        time.sleep(POLL_SECONDS)


def _outcome(sample: Sample, found: JobStatus | None, wrong: str) -> str:
    if wrong:
        return f"WRONG: {wrong}"
    if sample.fails and found and found.failure:
        return f"rejected as expected: {found.failure.error}"
    members = f", {counted(len(sample.members), 'member')}" if sample.members else ""
    return f"identical ({found.codec}{members})" if found else ""


def _use_account_of(stack: Stack) -> None:
    """Set this process's environment to the stack's account, where the job store looks for it, as in a function."""
    environment = stack.isolated(os.environ)
    os.environ.clear()
    os.environ.update(environment)


def _routes(stack: Stack) -> Routes:
    names = ("source_bucket", "destination_bucket", "work_bucket", "records_table")
    return parse_routes(ROUTES.read_text(), str(ROUTES), {name: getattr(stack, name) for name in names})


def _job_store(stack: Stack) -> JobStore:
    return build_job_store(
        Settings(
            jobs_table=stack.jobs_table,
            source_buckets=(stack.source_bucket,),
            destination_buckets=(stack.destination_bucket,),
            work_bucket=stack.work_bucket,
            memory=MEMORY * MIB,
        )
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
