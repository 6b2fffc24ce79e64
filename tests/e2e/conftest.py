"""Fixtures: one deployed stack for all end-to-end tests of a session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e import test_lake as lake
from penstock_local import postgres
from penstock_local.stack import Stack, running
from postgres_switch import PostgresSwitch, switched
from service_models import shared_service_models

__all__ = ["shared_service_models"]

HERE = Path(__file__).parent
ROUTES = """
[[route]]
name = "forbidden"
match = ["forbidden/*"]
destination = "s3://not-in-the-policy/{name}"

[[route]]
name = "existing"
match = ["existing/*"]
destination = "s3://existing-lake/{stem}"

[[route]]
name = "orders"
match = ["orders/*"]
destination = "postgresql:orders"
max_rejects = 10
[route.table]
create = true

[[route]]
name = "measured"
match = ["measured/*"]
destination = "postgresql:measured"
max_rejects = 10
[route.table]
create = true

[[route]]
name = "mended"
match = ["mended/*"]
destination = "postgresql:mended"
max_rejects = 10
[route.table]
columns = [{ name = "id", type = "integer", nullable = false }, { name = "name" }]

"""
ROUTES += "".join(
    f"""
[[route]]
name = "{table}"
match = ["{table}/*"]
destination = "postgresql:{table}"
[route.table]
columns = [{{ name = "id", type = "integer", nullable = false }}, {{ name = "name" }}]
"""
    for table in ("away", "severed", "later", "nowhere", "history")
)
ROUTES += """
[[route]]
name = "filed"
match = ["filed/*.csv"]
destination = "postgresql:filed"
after = { success = "move:done/", failure = "move:quarantine/" }
[route.table]
columns = [{ name = "id", type = "integer", nullable = false }, { name = "name" }]

[[route]]
name = "not granted"
match = ["unwanted/*"]
destination = "s3://{destination_bucket}/{key}"
after = { success = "delete" }

[[route]]
name = "encrypted"
match = ["encrypted/*.zip"]
archive = "members"
password_secret = "archives/e2e"

[[route]]
name = "archives"
match = ["*.zip", "*.tar.gz"]
archive = "members"

[[route]]
name = "members"
match = ["*.zip/*", "*.tar.gz/*"]
destination = "s3://{destination_bucket}/{key}"

[[route]]
name = "decompress"
match = ["*.gz", "*.bz2", "*.xz", "*.zst"]
destination = "s3://{destination_bucket}/{stem}"

[[route]]
name = "copy"
match = ["*.csv"]
destination = "s3://{destination_bucket}/{key}"
"""
EXISTING_SOURCES = (
    *("existing-queue", "existing-topic", "existing-raw", "existing-rule", "existing-twice", "connected"),
    *("existing-history", "existing-history-versions"),
)
EXISTING_DESTINATION = "existing-lake"
PARAMETERS = {
    "MemorySize": "128",
    "MaximumConcurrency": "2",
    "MapConcurrency": "2",
    "LargeBytes": str(6 * 10**6),
    "SpanBytes": str(5 * 1024**2),
    "IndexSpacing": str(1024**2),
    # Of test_existing_buckets.py and test_backfill.py.
    "SourceBucketNames": ",".join(EXISTING_SOURCES),
    "DestinationBucketNames": EXISTING_DESTINATION,
    "SourceTopicArns": "arn:aws:sns:us-east-1:000000000000:existing,arn:aws:sns:us-east-1:000000000000:existing-raw",
    "EventsTopicArn": "arn:aws:sns:us-east-1:000000000000:ended-jobs",
    "AfterActions": "move",
    "ArchiveSecretArns": "arn:aws:secretsmanager:us-east-1:000000000000:secret:archives/e2e-*",
}


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresSwitch]:
    """The proxy through which the stack reaches its database."""
    with postgres.running(tmp_path_factory.mktemp("postgres")) as dsn, switched(dsn) as switch:
        yield switch


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, database: PostgresSwitch) -> Iterator[Stack]:
    """The template of this checkout, deployed with functions of 128 MB. The state machine takes sources of 6 MB."""
    routes = tmp_path_factory.mktemp("routes") / "routes.toml"
    routes.write_text(lake.ROUTES + ROUTES)
    parameters = {**PARAMETERS, "PostgresDsn": database.dsn}
    with running(routes=routes, parameters=parameters, iceberg="glue") as stack:
        for bucket in (*EXISTING_SOURCES, EXISTING_DESTINATION):
            stack.client("s3").create_bucket(Bucket=bucket)
        stack.client("sns").create_topic(Name="ended-jobs")
        yield stack


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that need the stack, and run them in the process that has started it."""
    for item in items:
        if HERE in item.path.parents and "stack" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.stack)
            item.add_marker(pytest.mark.xdist_group("stack"))
