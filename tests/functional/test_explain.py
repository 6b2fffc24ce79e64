"""`penstock explain` and `penstock routes check`: their output, and that they change nothing."""

from __future__ import annotations

import fcntl
import gzip
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import CliRunner, Result

from functional.s3_lake import Lake
from penstock.explain.prices import LISTED, listed_prices
from penstock.limits import MIB
from penstock_cli.main import main
from penstock_local.deploy import STACK_NAME
from penstock_local.stack import Stack

pytest_plugins = ["functional.lake_fixtures"]

TEXT = b"id,name\n" + b"".join(b"%d,name %d\n" % (n, n) for n in range(1000))
ROUTES = """
[[route]]
name = "json"
match = ["*.json"]
destination = "s3://results/{key}"

[[route]]
name = "orders"
match = ["in/*.csv.gz", "orders/*"]
destination = "postgresql:public.orders"
[route.table]
mode = "upsert"
key = "id"
create = true
"""
NO_OUTPUTS: Mapping[str, str] = {}
TEMPLATE: dict[str, Any] = {
    "Parameters": {
        "MemorySize": {"Type": "Number"},
        "LargeBytes": {"Type": "Number"},
        "RoutesUri": {"Type": "String", "Default": ""},
    },
    "Resources": {"Bucket": {"Type": "AWS::S3::Bucket"}},
    "Outputs": {f"{name}BucketName": {"Value": f"the-{name.lower()}"} for name in ("Source", "Destination", "Work")},
}


def run(*arguments: object) -> Result:
    return CliRunner(mix_stderr=False).invoke(main, [str(one) for one in arguments])


def reported(*arguments: object) -> dict[str, object]:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.stderr
    answer: dict[str, object] = json.loads(result.stdout)
    return answer


@pytest.fixture
def routes(tmp_path: Path) -> Path:
    path = tmp_path / "routes.toml"
    path.write_text(ROUTES)
    return path


@contextmanager
def deployed(server: str, name: str, outputs: Mapping[str, str] = NO_OUTPUTS) -> Iterator[None]:
    """A stack of that name in CloudFormation."""
    client = boto3.client("cloudformation", endpoint_url=server)
    parameters = {"MemorySize": "512", "LargeBytes": "1000"}
    client.create_stack(
        StackName=name,
        TemplateBody=json.dumps(
            {**TEMPLATE, "Outputs": {**TEMPLATE["Outputs"], **{key: {"Value": one} for key, one in outputs.items()}}}
        ),
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
    )
    yield
    client.delete_stack(StackName=name)


@pytest.fixture
def stack(server: str) -> Iterator[str]:
    with deployed(server, "penstock-test"):
        yield "penstock-test"


# explain


def test_an_object_is_explained_line_by_line(lake: Lake, routes: Path) -> None:
    lake.put("in/orders.csv.gz", gzip.compress(TEXT))
    result = run(
        "explain", f"{lake.uri}/in/orders.csv.gz", "--routes", routes, "--endpoint-url", lake.proxy.url, "--memory", 512
    )
    assert result.exit_code == 0, result.stderr
    first, *lines = result.stdout.splitlines()
    assert first.startswith(f"{lake.uri}/in/orders.csv.gz (")
    assert [line for line in lines if line.split()[0] not in ("decoded", "cost")] == [
        f"  route        orders, by in/*.csv.gz of {routes}",
        "  not by       json (*.json)",
        "  codec        gzip",
        "  destination  postgresql:public.orders",
        "  records      csv",
        "  table        public.orders: upsert by id, made where it is missing",
        "  columns      id integer, name text",
        "  done by      ingest: one invocation of 512 MB would take about 1 s",
        "  time         about 1 s",
    ]
    assert lines[-1].endswith(f"dollars for a thousand like it ({listed_prices().name})")


def test_prices_of_another_region_change_the_dollars_and_are_named(
    lake: Lake, routes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.put("in/orders.csv.gz", gzip.compress(TEXT))
    file = tmp_path / "prices.toml"
    command = (
        "explain",
        f"{lake.uri}/in/orders.csv.gz",
        "--routes",
        routes,
        "--endpoint-url",
        lake.proxy.url,
        "--json",
    )
    file.write_text(LISTED.read_text().replace('"us-east-1"', '"sa-east-1"').replace("= 0.0000166667", "= 1.0"))
    ours, theirs = (json.loads(run(*command, *more).stdout) for more in ((), ("--prices", file)))
    assert theirs["dollars"] > 1000 * ours["dollars"]
    assert theirs["prices"].startswith("prices of sa-east-1, ")
    monkeypatch.setenv("PENSTOCK_PRICES", str(file))
    assert json.loads(run(*command).stdout) == theirs
    file.write_text("")
    result = run(*command)
    assert result.exit_code == 1
    assert f"{file}: needs region" in result.stderr


def test_nothing_but_reads_reaches_s3(lake: Lake, routes: Path) -> None:
    lake.put("in/orders.csv.gz", gzip.compress(TEXT))
    lake.put("routes.toml", ROUTES.encode())
    lake.proxy.log.clear()
    for file in (routes, f"{lake.uri}/routes.toml"):
        reported("explain", f"{lake.uri}/in/orders.csv.gz", "--routes", file, "--endpoint-url", lake.proxy.url)
    reported("routes", "check", f"{lake.uri}/routes.toml", "--endpoint-url", lake.proxy.url)
    assert {request.operation for request in lake.proxy.log} == {"HeadObject", "GetObject"}


def test_the_codec_is_read_with_one_small_range(lake: Lake) -> None:
    lake.put("a.txt.gz", gzip.compress(TEXT * 100))
    lake.proxy.log.clear()
    assert reported("explain", f"{lake.uri}/a.txt.gz", "--endpoint-url", lake.proxy.url)["codec"] == "gzip"
    (got,) = lake.proxy.requests("GetObject")
    assert int(got.range.rpartition("-")[2]) < 100


def test_json_has_everything(lake: Lake, routes: Path) -> None:
    lake.put("in/orders.csv.gz", gzip.compress(TEXT))
    answer = reported("explain", f"{lake.uri}/in/orders.csv.gz", "--routes", routes, "--endpoint-url", lake.proxy.url)
    assert (answer["route"], answer["pattern"], answer["not_by"]) == ("orders", "in/*.csv.gz", ["json"])
    assert (answer["target"], answer["codec"], answer["format"]) == ("postgresql:public.orders", "gzip", "csv")
    assert answer["tables"] == [
        {
            "name": "public.orders",
            "mode": "upsert",
            "key": ["id"],
            "columns": [
                {"name": "id", "type": "integer", "nullable": True},
                {"name": "name", "type": "text", "nullable": True},
            ],
        }
    ]
    assert (answer["machine"], answer["spans"], answer["problems"]) == (False, 0, [])
    assert isinstance(answer["dollars"], float)
    assert answer["dollars"] > 0


def test_a_key_without_a_route_is_reported(lake: Lake, routes: Path) -> None:
    lake.put("x.zip", b"PK")
    arguments = ("explain", f"{lake.uri}/x.zip", "--routes", routes, "--endpoint-url", lake.proxy.url)
    assert "none of" in run(*arguments).stdout
    assert (reported(*arguments)["route"], reported(*arguments)["not_by"]) == (None, ["json", "orders"])


def test_a_file_of_this_machine_is_explained_as_the_object_that_it_would_be(routes: Path, tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_bytes(TEXT)
    answer = reported("explain", path, "--routes", routes, "--as", "orders/a.csv")
    assert (answer["route"], answer["codec"], answer["format"]) == ("orders", "identity", "csv")


def test_the_names_and_sizes_of_the_local_stack_are_used(server: str, tmp_path: Path) -> None:
    saved = dict.fromkeys((one.name for one in fields(Stack)), "") | {
        "endpoint": server,
        "region": "us-east-1",
        "pid": 1,
    }
    (tmp_path / "local.json").write_text(json.dumps({"stack": saved}))
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(TEXT))
    with deployed(server, STACK_NAME), (tmp_path / "lock").open("w") as lock:
        lock.write(str(os.getpid()))
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        answer = reported("explain", tmp_path / "a.csv.gz", "--state-dir", tmp_path, "--as", "a.csv.gz")
    assert (answer["target"], answer["memory"]) == ("s3://the-destination/a.csv", 512 * MIB)


def test_a_local_stack_that_is_not_up_is_said_so(tmp_path: Path) -> None:
    result = run("explain", "a.csv", "--state-dir", tmp_path)
    assert (result.exit_code, result.stderr.splitlines()[0]) == (1, "Error: no local stack is running")


@pytest.mark.parametrize("other", [("--stack", "mine"), ("--region", "eu-west-1")])
def test_the_local_stack_and_another_stack_are_exclusive(other: tuple[str, str]) -> None:
    assert run("explain", "a.csv", "--local", *other).exit_code == 2


def test_the_price_of_looking_for_repeats_by_content_is_that_of_one_more_read(lake: Lake, tmp_path: Path) -> None:
    path = tmp_path / "routes.toml"
    lake.put("in/a.bin", b"x" * 10**7)
    given = (f"{lake.uri}/in/a.bin", "--routes", path, "--endpoint-url", lake.proxy.url)
    seconds = {}
    for once in ("version", "key", "content"):
        route = '[[route]]\nname = "r"\nmatch = "*"\ndestination = "s3://{destination_bucket}/{key}"\n'
        path.write_text(f'{route}once = "{once}"\n')
        seconds[once] = float(str(reported("explain", *given)["lambda_seconds"]))
    assert seconds["content"] > seconds["key"] == seconds["version"]
    assert "found by content: all of it is read once more before the first row" in run("explain", *given).stdout


def test_what_would_fail_is_foreseen(routes: Path, tmp_path: Path) -> None:
    path = tmp_path / "orders.csv.gz"
    path.write_bytes(TEXT)
    result = run("explain", path, "--routes", routes, "--as", "in/orders.csv.gz")
    assert result.exit_code == 0
    assert "problem" in result.stdout
    assert "says gzip, but the content is not compressed" in result.stdout


def test_a_stack_says_how_much_memory_and_from_when_on_the_machine_works(lake: Lake, server: str, stack: str) -> None:
    lake.put("a.csv.gz", gzip.compress(TEXT * 10))
    answer = reported("explain", f"{lake.uri}/a.csv.gz", "--stack", stack, "--endpoint-url", server)
    assert (answer["memory"], answer["machine"], answer["spans"]) == (512 * 1024**2, True, 1)
    assert answer["target"] == "s3://the-destination/a.csv"


def test_a_run_goes_where_the_stack_would_send_it(lake: Lake, server: str, stack: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(TEXT))
    lake.client.create_bucket(Bucket="the-destination")
    result = run("run", path, "--stack", stack, "--as", "in/a.csv.gz", "--endpoint-url", server)
    assert result.exit_code == 0, result.stderr
    assert lake.client.get_object(Bucket="the-destination", Key="in/a.csv")["Body"].read() == TEXT


def test_a_missing_stack_is_reported(server: str) -> None:
    result = run("explain", "s3://x/y", "--stack", "nope", "--endpoint-url", server)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "stack nope does not exist in us-east-1" in result.stderr


def test_a_missing_object_is_reported(lake: Lake) -> None:
    result = run("explain", f"{lake.uri}/nope", "--endpoint-url", lake.proxy.url)
    assert (result.exit_code, "does not exist" in result.stderr) == (1, True)


def test_quiet_says_nothing(routes: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"{}")
    assert run("explain", path, "--routes", routes, "--quiet").output == ""


# routes check


def test_the_packaged_routes_are_valid() -> None:
    result = run("routes", "check")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "copy: *.csv *.tsv *.json *.jsonl *.ndjson -> s3://destination_bucket/{key}" in result.stdout.splitlines()


def test_each_route_is_a_line_and_each_key_finds_its_route(routes: Path) -> None:
    result = run("routes", "check", routes, "--key", "in/a.csv.gz", "--key", "s3://drops/b.json", "--key", "c")
    assert result.stdout.splitlines() == [
        "json: *.json -> s3://results/{key}",
        "orders: in/*.csv.gz orders/* -> postgresql:public.orders (upsert by id)",
        "in/a.csv.gz: orders -> postgresql:public.orders",
        "s3://drops/b.json: json -> s3://results/b.json",
        "c: no route matches it",
    ]


def test_a_key_that_may_be_a_member_has_the_route_of_each(tmp_path: Path) -> None:
    path = tmp_path / "routes.toml"
    path.write_text(
        '[[route]]\nname = "zips"\nmatch = "*.zip"\narchive = "members"\nmembers = ["*", "!no/*"]\n'
        '[[route]]\nname = "members"\nmatch = "*.zip/*"\ndestination = "s3://results/{archive}/{member}"\n'
        '[[route]]\nname = "all"\nmatch = "*.csv"\ndestination = "s3://results/{base}"\n'
    )
    result = run("routes", "check", path, "--key", "a.zip/b.csv", "--key", "a.zip/b", "--key", "a.zip/no/b.csv")
    assert result.stdout.splitlines()[3:] == [
        "a.zip/b.csv: all -> s3://results/b.csv",
        "a.zip/b.csv, as a member of an archive: members -> s3://results/a.zip/b.csv",
        "a.zip/b: members -> s3://results/a.zip/b",
        "a.zip/no/b.csv: all -> s3://results/b.csv",
    ]
    answer = reported("routes", "check", path, "--key", "a.zip/b.csv")
    member = {"member_route": "members", "member_target": "s3://results/a.zip/b.csv"}
    assert answer["keys"] == [{"key": "a.zip/b.csv", "route": "all", "target": "s3://results/b.csv"} | member]


def test_routes_can_be_checked_as_json(routes: Path) -> None:
    answer = reported("routes", "check", routes, "--key", "b.json")
    assert answer["keys"] == [{"key": "b.json", "route": "json", "target": "s3://results/b.json"}]
    assert answer["warnings"] == []


def test_a_route_that_never_gets_a_key_is_warned_of(tmp_path: Path) -> None:
    path = tmp_path / "routes.toml"
    path.write_text('[[route]]\nname = "all"\nmatch = "*"\ndestination = "postgresql:all"\n' + ROUTES)
    result = run("routes", "check", path)
    assert result.exit_code == 0
    assert "warning: route 'json' never gets a key: the earlier route 'all' matches all of its keys" in result.stderr
    assert len(reported("routes", "check", path)["warnings"]) == 2  # type: ignore[arg-type]  # a list


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[route]\n", "routes.toml: not TOML"),
        (
            ROUTES.replace('mode = "upsert"', 'mode = "insert"'),
            "routes.toml: route 'orders': table.mode: must be one of",
        ),
        (ROUTES.replace("create = true", "make = true"), "routes.toml: route 'orders': table.make: is not a field"),
        (ROUTES.replace('match = ["*.json"]\n', ""), "routes.toml: route 'json': match: is missing"),
        ("", "routes.toml: no [[route]] table"),
    ],
)
def test_an_error_names_the_file_the_route_and_the_field(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "routes.toml"
    path.write_text(text)
    result = run("routes", "check", path)
    assert (result.exit_code, result.stdout) == (1, "")
    assert message in result.stderr


@pytest.mark.parametrize(
    ("destination", "source_bucket", "answer"),
    [
        ("lake", "*", (0, "")),
        ("{destination_bucket}", "orders", (0, "")),
        ("lake", "invoices", (0, "warning: route 'r' never gets a key: 'invoices' matches no source bucket")),
        ("attic", "*", (1, "Add attic to the parameter DestinationBucketNames of the stack")),
    ],
)
def test_the_buckets_of_a_stack_are_known(
    server: str, tmp_path: Path, destination: str, source_bucket: str, answer: tuple[int, str]
) -> None:
    path = tmp_path / "routes.toml"
    path.write_text(
        f'[[route]]\nname = "r"\nmatch = "*"\ndestination = "s3://{destination}/{{key}}"\n'
        f'source_bucket = "{source_bucket}"\n'
    )
    lists = {"AllSourceBucketNames": "the-source,orders", "AllDestinationBucketNames": "the-destination,lake"}
    with deployed(server, "penstock-lists", outputs=lists):
        result = run("routes", "check", path, "--stack", "penstock-lists", "--endpoint-url", server)
    assert result.exit_code == answer[0]
    assert answer[1] in result.stderr if answer[1] else not result.stderr


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    result = run("routes", "check", tmp_path / "nope.toml")
    assert (result.exit_code, "nope.toml" in result.stderr) == (1, True)


def test_the_names_of_a_stack_are_filled_in(server: str, stack: str) -> None:
    result = run("routes", "check", "--stack", stack, "--key", "a.csv", "--endpoint-url", server)
    assert result.stdout.splitlines()[-1] == "a.csv: copy -> s3://the-destination/a.csv"
