"""What a function loads before its first job, each time in a fresh interpreter."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
every_function = pytest.mark.parametrize("verb", ["ingest", "plan", "index", "work", "finish", "abort"])
OF_THE_LAKE = ("arro3", "fastavro", "pyiceberg", "pydantic")
STACK = {
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "LAMBDA_TASK_ROOT": str(ROOT),
    "PENSTOCK_JOBS_TABLE": "jobs",
    "PENSTOCK_SOURCE_BUCKET": "source",
    "PENSTOCK_DESTINATION_BUCKET": "destination",
    "PENSTOCK_WORK_BUCKET": "work",
    "PENSTOCK_STATE_MACHINE": "arn:aws:states:us-east-1:123456789012:stateMachine:jobs",
    "POWERTOOLS_SERVICE_NAME": "penstock",
    "POWERTOOLS_METRICS_NAMESPACE": "Penstock",
}
PROGRAM = """
import gc, json, sys
import app
stopped = not gc.isenabled()
from penstock.aws.session import session
from penstock.wiring import functions
clients, make = [], session().create_client
session().create_client = lambda service, **how: clients.append(service) or make(service, **how)
functions.{verb}()
print(json.dumps({{
    "modules": sorted(sys.modules), "clients": sorted(clients),
    "stopped": stopped, "started": gc.isenabled(), "kept": gc.get_freeze_count(),
}}))
"""


@dataclass(frozen=True)
class Start:
    """``stopped``, ``started``: whether the collector was; ``kept``: what it will not look through again."""

    modules: list[str]
    clients: list[str]
    stopped: bool
    started: bool
    kept: int


@cache
def start(verb: str) -> Start:
    folders = (ROOT / "functions" / verb, ROOT / "layers" / "penstock")
    environment = {**STACK, "PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(map(str, folders))}
    program = [sys.executable, "-c", PROGRAM.format(verb=verb)]
    answer = subprocess.run(program, env=environment, check=True, capture_output=True, text=True, timeout=60)
    return Start(**json.loads(answer.stdout))


@every_function
def test_it_loads_no_library_that_only_some_jobs_need(verb: str) -> None:
    roots = {name.split(".")[0] for name in start(verb).modules}
    assert not roots & {"boto3", "s3transfer", "psycopg", "smart_open", "zlib_ng", *OF_THE_LAKE}


def test_ingest_loads_no_parser_and_no_table() -> None:
    assert not [name for name in start("ingest").modules if name.startswith(("penstock.formats", "penstock.tables"))]


@every_function
def test_it_makes_a_client_of_each_service_that_every_job_needs(verb: str) -> None:
    quota = ["lambda"] if verb == "plan" else []  # of concurrent executions, by which it cuts
    assert start(verb).clients == ["dynamodb", *quota, "s3"]


@every_function
def test_nobody_looks_for_garbage_meanwhile_nor_among_what_was_loaded_later(verb: str) -> None:
    begun = start(verb)
    assert begun.stopped
    assert begun.started
    assert begun.kept > len(begun.modules)


def test_announce_makes_a_client_of_the_jobs_table_alone_before_its_first_end() -> None:
    begun = start("announce")
    assert begun.clients == ["dynamodb"]
    assert not {name.split(".")[0] for name in begun.modules} & {"boto3", "s3transfer", "psycopg", "zlib_ng"}
    assert (begun.stopped, begun.started) == (True, True)
