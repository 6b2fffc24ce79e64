"""`penstock doctor` on a deployed stack: each thing that is broken turns its line, and its remedy turns it back."""

from __future__ import annotations

import json
from collections.abc import Iterator

import psycopg
import pytest
from click.testing import CliRunner
from psycopg.conninfo import make_conninfo

import aws_commands
from doctor_breaks import BREAKS, Break, connect, put_secret, subscribe
from doctor_plant import DROPS, LOADER, PARAMETERS, ROUTES, Plant
from lengths import long
from penstock.aws.access import Access
from penstock.doctor.finding import Level
from penstock.wiring.doctor import Finding
from penstock_cli.main import main
from penstock_local import postgres
from penstock_local.deploy import STACK_NAME
from penstock_local.stack import running

# It deploys a stack of its own, half a minute of a core.
pytestmark = [pytest.mark.xdist_group("doctor"), pytest.mark.timeout(300), pytest.mark.long]

TABLES = f"""
CREATE ROLE {LOADER} LOGIN PASSWORD 'loader';
CREATE TABLE orders (id int, name text);
GRANT INSERT ON orders TO {LOADER};
GRANT CREATE ON SCHEMA public TO {LOADER};
"""


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    """A stack with a role of the database that has only its rights, and an existing bucket that is connected."""
    routes = tmp_path_factory.mktemp("routes") / "routes.toml"
    routes.write_text(ROUTES)
    with postgres.running(tmp_path_factory.mktemp("postgres")) as admin:
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute(TABLES)
        dsn = make_conninfo(admin, user=LOADER, password="loader")  # on loopback, for these tests
        with running(routes=routes, parameters={**PARAMETERS, "PostgresDsn": uri_of(dsn)}) as stack:
            pages = stack.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=STACK_NAME)
            names = {
                one["LogicalResourceId"]: one["PhysicalResourceId"]
                for page in pages
                for one in page["StackResourceSummaries"]
            }
            plant = Plant(stack, {**names, "account": "000000000000"}, admin, tmp_path_factory.mktemp("home"))
            connect(plant)
            stack.client("sns").create_topic(Name="doctor-alarms")
            subscribe(plant)
            put_secret(plant)
            stack.client("lambda").invoke(FunctionName=f"{STACK_NAME}-reconcile", Payload=b"{}")
            yield plant


def uri_of(dsn: str) -> str:
    """The template takes a URI."""
    parts = psycopg.conninfo.conninfo_to_dict(dsn)
    address = f"{parts['host']}:{parts['port']}/{parts['dbname']}"
    return f"postgresql://{parts['user']}:{parts['password']}@{address}?sslmode=disable"


def line(findings: list[Finding], broken: Break) -> Finding:
    """The line of the broken thing. Lines of good things may stand for several."""
    return next(
        (one for one in findings if one.name.startswith(broken.line)), Finding(broken.line, Level.OK, "no line")
    )


def test_everything_of_a_new_stack_is_green(plant: Plant) -> None:
    found = plant.examine()
    assert [one for one in found if one.level not in (Level.OK, Level.NOTE)] == [
        one for one in found if one.name == f"versions of {DROPS}"
    ]


@pytest.mark.parametrize("name", [long(name) if broken.slow else name for name, broken in BREAKS.items()])
def test_what_is_broken_turns_its_line_and_the_remedy_turns_it_back(plant: Plant, name: str) -> None:
    broken = BREAKS[name]
    before = {one.name: one.level for one in plant.examine(broken.group)}
    broken.do(plant)
    plant.settle()
    found = line(plant.examine(broken.group), broken)
    try:
        assert found.level is broken.level
        assert found.remedy
        commands = aws_commands.commands_of(found.remedy)
        assert commands or broken.follow
    finally:
        if broken.follow:
            broken.follow(plant)
        for command in () if broken.follow else aws_commands.commands_of(found.remedy):
            plant.run(command)
    plant.settle()
    assert {one.name: one.level for one in plant.examine(broken.group)} == before


def test_what_a_user_may_not_check_is_shown_and_neither_an_error_nor_green(plant: Plant) -> None:
    iam = plant.client("iam")
    iam.create_user(UserName="reader")
    allowed = ["cloudformation:DescribeStacks", "cloudformation:ListStackResources", "sqs:GetQueueAttributes"]
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": allowed, "Resource": "*"}]}
    iam.put_user_policy(UserName="reader", PolicyName="read", PolicyDocument=json.dumps(document))
    key = iam.create_access_key(UserName="reader")["AccessKey"]
    access = Access("", plant.stack.region, plant.stack.endpoint, key["AccessKeyId"], key["SecretAccessKey"])
    found = plant.examine(access=access)
    by_name = {one.name: one for one in found}
    assert by_name["roles"] == Finding(
        "roles", Level.NOT_CHECKED, f"needs cloudformation:GetTemplate on stack {STACK_NAME}"
    )
    assert by_name["trials"].found == f"needs lambda:InvokeFunction on {STACK_NAME}-check"
    assert by_name["dead-letter queue"].level is Level.OK
    assert not [one for one in found if one.level is Level.FAILED]
    refused = {one.name for one in found if one.level is Level.NOT_CHECKED}
    assert refused >= {"file", "functions", "expiry", "alarms", f"events of {DROPS}"}


def doctor(plant: Plant, *options: str) -> tuple[int, str]:
    """Exit code and output of the command."""
    done = CliRunner().invoke(main, ["doctor", *options], env=dict(plant.stack.environment))
    return done.exit_code, done.output


def test_the_command_prints_each_group_and_the_remedies(plant: Plant) -> None:
    code, text = doctor(plant, "--stack", STACK_NAME, "--group", "queue", "--group", "buckets")
    assert code == 0
    assert "\nQueue\n  ok    visibility timeout: 5400 s" in text
    assert f"  warn  versions of {DROPS}: are not kept" in text
    assert f"        aws s3api put-bucket-versioning --bucket {DROPS} " in text
    assert text.endswith("ok, 1 warning\n")
    code, quiet = doctor(plant, "--stack", STACK_NAME, "--group", "queue", "--quiet")
    assert (code, quiet) == (0, "")


def test_the_exit_code_and_json_say_whether_something_failed(plant: Plant) -> None:
    plant.write_routes(ROUTES.replace("s3://{destination_bucket}/", "s3://not-ours/"))
    try:
        code, text = doctor(plant, "--stack", STACK_NAME, "--group", "routes", "--json")
    finally:
        plant.write_routes(ROUTES)
    answer = json.loads(text)
    assert (code, answer["ok"], answer["counts"]["failed"]) == (1, False, 1)
    (group,) = answer["groups"]
    (line,) = [one for one in group["findings"] if one["level"] == "failed"]
    assert line["remedy"].startswith("Add not-ours to the parameter DestinationBucketNames")


def test_a_destination_of_run_is_checked_without_a_stack(plant: Plant) -> None:
    parts = psycopg.conninfo.conninfo_to_dict(plant.admin)
    dsn = uri_of(make_conninfo(plant.admin, user=LOADER, password="loader"))  # as above
    code, text = doctor(plant, "--to", "postgresql:orders", "--dsn", dsn)
    assert code == 0
    assert f"  ok    database reachable: database {parts['dbname']}" in text
    assert "  ok    rights on public.orders: role doctor_loader has" in text
    code, text = doctor(plant, "--to", "postgresql:orders", "--dsn", dsn, "--mode", "replace")
    assert code == 1
    assert "FAIL  rights on public.orders" in text
    assert doctor(plant, "--to", f"s3://{plant.stack.destination_bucket}/a.csv")[0] == 0
    code, text = doctor(plant, "--to", "s3://not-there/a.csv")
    assert code == 1
    assert "FAIL  write not-there" in text
    assert doctor(plant, "--to", f"dynamodb:{plant.stack.records_table}")[0] == 0
    assert doctor(plant, "--to", "s3://a/b", "--stack", STACK_NAME)[0] == 2


def test_a_stack_that_does_not_exist_is_one_error(plant: Plant) -> None:
    code, text = doctor(plant, "--stack", "nowhere")
    assert code == 1
    assert text.startswith("Error: stack nowhere does not exist in us-east-1")
