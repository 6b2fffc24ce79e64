"""Changes from outside to a run that loads an Iceberg table."""

from __future__ import annotations

from faults.lake import referenced_files
from faults.scripted_run import ScriptedRun
from faults.servers import WORK

# Longer than files are taken for there.
DAYS = 3 * 86_400.0


def create(run: ScriptedRun) -> None:
    """Create the table, with fewer columns than the files have fields."""
    run.resources.table.create()


def append(run: ScriptedRun) -> None:
    """Add a row as another writer."""
    run.resources.table.append([(-100 - len(run.resources.table.foreign), "foreign")])


def delete_records(run: ScriptedRun) -> None:
    """Delete the records of the files that wait."""
    s3 = run.resources.servers.client("s3")
    for job in run.jobs():
        prefix = f"jobs/{job['pk'].removeprefix('job#')}/lake/"
        for file in s3.list_objects_v2(Bucket=WORK, Prefix=prefix).get("Contents", ()):
            s3.delete_object(Bucket=WORK, Key=file["Key"])


def remove_data_files(run: ScriptedRun) -> None:
    """Delete the data files of the jobs, days after they were written."""
    table, s3 = run.resources.table.load(), run.resources.servers.client("s3")
    for uri in run.resources.data_files() - (referenced_files(table) if table else set()):
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        s3.delete_object(Bucket=bucket, Key=key)
    run.clock_offset += DAYS
