"""The requests of an archive's members, counted and estimated: python -m benchmarks.member_requests [--members 3000].

A zip of members of 1 KB goes through the state machine of an embedded stack. Proxies before its S3 and its DynamoDB
count the requests of all functions. The estimate is that of `penstock explain`, of which the documentation states the
price of a million members.
"""

from __future__ import annotations

import argparse
import io
import random
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from benchmarks.counting_proxy import Counts, counting_proxy

from penstock.explain.archive_forecast import ArchiveForecast, forecast_archive
from penstock.explain.explanation import StackEnvironment
from penstock.explain.prices import listed_prices
from penstock.large_jobs.member_batches import MOST_ENTRIES
from penstock.model.job import Job
from penstock.model.member import Member, MemberContent
from penstock.model.object import Source, member_source
from penstock.routes import destination_of, parse_routes
from penstock_local.stack import Stack, running

SIZE = 1_000
# Bytes that a zip takes for a member beside its content: two headers with its name.
AROUND = 100
STATED = 1_000_000
KEY = "in/members.zip"
ROUTES = """
[[route]]
name = "archives"
match = ["in/*.zip"]
archive = "members"

[[route]]
name = "members"
match = ["in/*.zip/*"]
destination = "s3://{destination_bucket}/{key}"
"""
NAMES = {"source_bucket": "source", "destination_bucket": "destination"}
WAIT_SECONDS = 1_800.0


def estimated(members: int, *, large_bytes: int = 0) -> ArchiveForecast:
    """The forecast of `explain` for a zip of stored members of SIZE bytes, with the settings of the template."""
    routes = parse_routes(ROUTES, "routes.toml", NAMES)
    archive = Source("source", KEY, members * (SIZE + AROUND), "etag")
    route = routes.find("source", KEY)
    if route is None:
        raise RuntimeError("no route takes the archive")

    def entries() -> Iterator[tuple[Member, Job]]:
        for number in range(1, members + 1):
            start = (number - 1) * SIZE
            member = Member(f"{number:07}", number, SIZE, MemberContent(start, start + SIZE))
            source = member_source(archive, member)
            found = routes.route_of(source)
            if found is None:
                raise RuntimeError("no route takes a member")
            yield member, Job(source, found, destination_of(found, source))

    environment = StackEnvironment(NAMES, large_bytes=large_bytes)
    return forecast_archive(Job(archive, route, destination_of(route, archive)), environment, entries())


def zip_of(members: int) -> bytes:
    stream, contents = io.BytesIO(), random.Random(1)
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for number in range(1, members + 1):
            archive.writestr(f"{number:07}", contents.randbytes(SIZE))
    return stream.getvalue()


def counted(members: int) -> tuple[Counts, Counts]:
    """Deliver a zip on an embedded stack, and return the counted requests to S3 and to DynamoDB."""
    with ExitStack() as context:
        routes = Path(context.enter_context(tempfile.TemporaryDirectory())) / "routes.toml"
        routes.write_text(ROUTES)
        stack = context.enter_context(running(routes=routes, parameters={"LargeBytes": str(members * SIZE)}))
        s3 = context.enter_context(counting_proxy(stack.endpoint))
        dynamodb = context.enter_context(counting_proxy(stack.endpoint))
        _redirect(stack, s3, dynamodb)
        stack.client("s3").put_object(Bucket=stack.source_bucket, Key=KEY, Body=zip_of(members))
        _await(stack)
        return s3, dynamodb


def _redirect(stack: Stack, s3: Counts, dynamodb: Counts) -> None:
    """Let all functions of a stack send their requests through the proxies."""
    functions = stack.client("lambda")
    for function in functions.list_functions()["Functions"]:
        variables = function["Environment"]["Variables"]
        variables |= {"AWS_ENDPOINT_URL_S3": s3.url, "AWS_ENDPOINT_URL_DYNAMODB": dynamodb.url}
        functions.update_function_configuration(
            FunctionName=function["FunctionName"], Environment={"Variables": variables}
        )


def _await(stack: Stack) -> None:
    until = time.monotonic() + WAIT_SECONDS
    uri = f"s3://{stack.source_bucket}/{KEY}"
    while time.monotonic() < until:
        for item in stack.client("dynamodb").scan(TableName=stack.jobs_table)["Items"]:
            if item.get("source", {}).get("S") == uri and "finished_at" in item:
                if item["state"]["S"] != "succeeded":
                    raise RuntimeError(f"the job has {item['state']['S']}: {item.get('failure')}")
                return
        time.sleep(1)
    raise RuntimeError("the job has not ended")


def report(members: int, expected: ArchiveForecast, s3: Counts, dynamodb: Counts) -> Iterator[str]:
    usage, kinds = expected.usage, s3.kinds
    yield f"{members:,} members of {SIZE:,} bytes in {expected.batches:,} batches:"
    yield ""
    yield "| requests | counted | a member | estimated |"
    yield "|---|---|---|---|"
    puts, gets = kinds["PUT"] + kinds["POST"], kinds["GET"] + kinds["HEAD"]
    yield f"| S3 PUT, POST | {puts:,} | {puts / members:.3f} | {usage.puts:,} |"
    yield f"| S3 GET, HEAD | {gets:,} | {gets / members:.3f} | {usage.gets:,} |"
    writes = sum(count for kind, count in dynamodb.kinds.items() if "Get" not in kind and kind not in {"Query", "Scan"})
    yield f"| DynamoDB writes | {writes:,} | {writes / members:.3f} | {usage.writes:,} |"
    yield f"| DynamoDB, all | {dynamodb.requests:,} | {dynamodb.requests / members:.3f} | |"
    yield ""
    yield f"By kind: {dict(kinds)}, {dict(dynamodb.kinds)}"


def price(members: int) -> Iterator[str]:
    """State what so many members cost."""
    usage, prices = estimated(members).usage, listed_prices()
    yield f"{members:,} members of {SIZE:,} bytes, {usage.memory >> 20:,} MB of memory ({prices.name}):"
    batches = -(-members // MOST_ENTRIES)
    yield f"  {batches:,} batches, {usage.invocations:,} invocations, {usage.seconds:,.0f} seconds of Lambda"
    yield f"  {usage.puts:,} PUT, {usage.gets:,} GET, {usage.writes:,} writes to DynamoDB"
    yield f"  {usage.transitions:,} transitions of Step Functions"
    puts = usage.puts * prices.s3.thousand_puts / 1000
    yield f"  {usage.dollars(prices):,.2f} dollars, of which {puts:,.2f} are for PUT"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.member_requests", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--members", type=int, default=3_000, help="members of the zip (default: %(default)s)")
    parser.add_argument("--estimate", action="store_true", help="count nothing, and state the price only")
    options = parser.parse_args(argv)
    sys.stdout.writelines(f"{line}\n" for line in price(STATED))
    if not options.estimate:
        expected = estimated(options.members, large_bytes=options.members * SIZE)
        sys.stdout.writelines(f"{line}\n" for line in report(options.members, expected, *counted(options.members)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
