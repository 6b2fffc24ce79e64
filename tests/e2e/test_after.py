"""Objects that are moved after their jobs: by the deployed function, under its role, from the stream of the table."""

from __future__ import annotations

import json
from pathlib import Path

import psycopg

from penstock_local.stack import Stack
from stack_jobs import Item, command, keys, upload, wait_for

TEXT = b"id,name\n1,one\n2,two\n"


def is_over(item: Item) -> bool:
    return item.get("after_state", {}).get("S") in ("done", "skipped", "failed")


def test_a_failed_object_is_quarantined_redriven_from_there_and_filed(stack: Stack) -> None:
    key = "filed/a b.csv"
    assert upload(stack, key, TEXT)["state"]["S"] == "failed"
    job = wait_for(stack, key, is_over, "act on its object")["pk"]["S"].removeprefix("job#")
    assert f"quarantine/{key}" in keys(stack, stack.source_bucket)
    assert key not in keys(stack, stack.source_bucket)
    found = json.loads(command(stack, "status", job, "--json").stdout)
    assert found["location"] == f"s3://{stack.source_bucket}/quarantine/{key}"
    assert (found["after"]["state"], found["after"]["failure"]) == ("done", "move:quarantine/")

    with psycopg.connect(stack.postgres_dsn, autocommit=True) as database:
        database.execute("CREATE TABLE filed (id integer NOT NULL, name text)")
        command(stack, "redrive", job)
        wait_for(stack, key, lambda item: item["state"]["S"] == "succeeded" and is_over(item), "act on its object")
        assert database.execute("SELECT id, name FROM filed ORDER BY id").fetchall() == [(1, "one"), (2, "two")]
    there = keys(stack, stack.source_bucket)
    assert f"done/{key}" in there
    assert not {key, f"quarantine/{key}"} & set(there)
    text = command(stack, "status", job).stdout
    assert f"moved to    s3://{stack.source_bucket}/done/{key}" in text
    assert "after       move:done/ (done)" in text

    # The events of both moves began no job.
    items = stack.client("dynamodb").scan(TableName=stack.jobs_table)["Items"]
    moved = {f"s3://{stack.source_bucket}/{prefix}/{key}" for prefix in ("done", "quarantine")}
    assert not moved & {item["source"]["S"] for item in items if "source" in item}
    tags = stack.client("s3").get_object_tagging(Bucket=stack.source_bucket, Key=f"done/{key}")["TagSet"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {"penstock-state": "succeeded", "penstock-job": job}


def test_what_the_stack_does_not_allow_is_told_and_the_object_stays(stack: Stack, tmp_path: Path) -> None:
    key = "unwanted/a.csv"
    assert upload(stack, key, TEXT)["state"]["S"] == "succeeded"
    item = wait_for(stack, key, is_over, "act on its object")
    assert item["after_state"]["S"] == "failed"
    assert "its AfterActions is move, and delete is needed" in item["after_message"]["S"]
    assert key in keys(stack, stack.source_bucket)
    file = tmp_path / "routes.toml"
    route = '[[route]]\nname = "a"\nmatch = "*"\ndestination = "s3://{destination_bucket}/{key}"\nafter = '
    file.write_text(route + '{ success = "delete" }')
    refused = command(stack, "routes", "check", str(file), code=1).stderr
    assert "the stack does not allow 'delete'" in refused
    assert "AfterActions=delete" in refused
    file.write_text(route + '{ success = "move:done/" }')
    assert "(after: move:done/ on success)" in command(stack, "routes", "check", str(file)).stdout
