"""A stack without buckets of its own."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from penstock.errors import InvalidRouteError
from penstock_cli.main import main
from penstock_local.deploy import ARTIFACTS, STACK_NAME
from penstock_local.errors import LocalStackError
from penstock_local.stack import running
from stack_jobs import result, upload

ONLY = {"CreateBuckets": "false", "PostgresDsn": "postgresql://nobody@127.0.0.1:1/none"}
ROW = b"A-1,Source2,3,2023-01-01 00:00:00,Right lane blocked due to accident.\n"


@pytest.mark.long
@pytest.mark.stack
def test_a_stack_of_existing_buckets_alone_delivers_by_the_packaged_routes() -> None:
    buckets = {"SourceBucketNames": "orders,clicks", "DestinationBucketNames": "lake"}
    with running(parameters={**ONLY, **buckets}) as stack:
        s3 = stack.client("s3")
        made = {one["Name"] for one in s3.list_buckets()["Buckets"]}
        assert made == {stack.work_bucket, ARTIFACTS}
        for bucket in ("orders", "clicks", "lake"):
            s3.create_bucket(Bucket=bucket)
        for bucket in ("orders", "clicks"):
            s3.put_bucket_notification_configuration(
                Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}}
            )
            job = upload(replace(stack, source_bucket=bucket), f"{bucket}.csv.gz", gzip.compress(ROW))
            assert job["state"]["S"] == "succeeded"
            assert result(stack, f"{bucket}.csv") == ROW
        checked = CliRunner(mix_stderr=False).invoke(
            main,
            ["routes", "check", "--stack", STACK_NAME, "--key", "s3://clicks/a.csv", "--json"],
            env=stack.environment,
        )
        assert checked.exit_code == 0, checked.stderr
        assert json.loads(checked.stdout)["keys"][0]["target"] == "s3://lake/a.csv"


@pytest.mark.long
@pytest.mark.stack
def test_a_stack_without_any_source_is_refused(tmp_path: Path) -> None:
    routes = tmp_path / "routes.toml"
    routes.write_text(
        '[[route]]\nname = "r"\nmatch = "*"\ndestination = "dynamodb:{records_table}"\n[route.table]\nkey = "id"\n'
    )
    needed = "With CreateBuckets=false, SourceBucketNames must name the buckets to read"
    with pytest.raises(LocalStackError, match=needed), running(routes=routes, parameters=ONLY):
        pass


def test_the_packaged_routes_are_refused_before_anything_starts_if_the_destination_is_not_clear() -> None:
    buckets = {"SourceBucketNames": "orders", "DestinationBucketNames": "lake,mart"}
    with (
        pytest.raises(InvalidRouteError, match=r"{destination_bucket} stands for no bucket"),
        running(parameters={**ONLY, **buckets}),
    ):
        pass
