"""`penstock routes check`."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from penstock_cli.options import AwsOptions, OutputOptions, aws_options, output_options
from penstock_cli.output import echo, echo_json

if TYPE_CHECKING:
    from penstock.model.route import Route
    from penstock.routes import Routes


@click.command()
@click.argument("file", required=False, metavar="[FILE]")
@click.option(
    "--key", "keys", multiple=True, metavar="KEY", help="Show which route matches this key; also s3://BUCKET/KEY."
)
@click.option("--stack", default="", metavar="NAME", help="Use the names of this deployed stack.")
@aws_options
@output_options
def check(*, file: str | None, keys: tuple[str, ...], stack: str, aws: AwsOptions, output: OutputOptions) -> None:
    """Read and check a routes.toml: a path, s3://BUCKET/KEY, or by default the packaged one.

    An error names file, route and field; the exit code is then 1. A route that never gets a key, because an earlier
    route matches all of its keys, causes a warning. A member of an archive has the archive's key, a slash and its name.

    With --stack, a bucket that the stack may not write to is an error, and so is an action after a job that its
    AfterActions does not allow. A source_bucket that matches none of the stack's buckets causes a warning.

    Several keys that may replace the same table in no order cause a warning too.

    \b
      penstock routes check
      penstock routes check my-routes.toml --key orders/2026/a.csv.gz
      penstock routes check s3://work-bucket/config/routes.toml --stack penstock-prod
    """
    from penstock.model.after import AfterLevel  # noqa: PLC0415  # boto3 is not for --help
    from penstock.routes.after_actions import refuse_actions  # noqa: PLC0415  # as above
    from penstock.routes.covering import never_taken  # noqa: PLC0415  # boto3 is not for --help
    from penstock.routes.replace_order import unordered_replacements  # noqa: PLC0415  # as above
    from penstock.routes.stack_buckets import refuse_unlisted_destinations, unheard  # noqa: PLC0415  # as above
    from penstock.wiring.cli import CliClients, read_routes, stack_environment  # noqa: PLC0415  # as above

    with closing(CliClients(aws.profile, aws.region, aws.endpoint_url)) as clients:
        environment = stack_environment(clients, stack)
        uri = file or environment.routes_uri
        routes_file, found = read_routes(clients, uri, environment.names, environment.buckets)
    refuse_unlisted_destinations(found.routes, found.buckets, routes_file)
    if environment.after_actions:
        refuse_actions(found.routes, AfterLevel(environment.after_actions), routes_file)
    warnings = [
        f"route {route.name!r} never gets a key: the earlier route {before.name!r} matches all of its keys"
        for route, before in never_taken(found.routes)
    ]
    warnings += [
        f"route {route.name!r} never gets a key: {route.source_bucket!r} matches no source bucket of the stack "
        f"({', '.join(found.buckets.sources)})"
        for route in unheard(found.routes, found.buckets)
    ]
    warnings += [
        f"route {route.name!r}: several keys replace table {table}, and the job that ends last wins: with "
        'order = "table" the newest object wins, by the time of its upload'
        for route, table in unordered_replacements(found.routes)
    ]
    taken = [_taken(key, found) for key in keys]
    if output.as_json:
        routes = [_described(route) for route in found.routes]
        echo_json({"file": routes_file, "routes": routes, "keys": taken, "warnings": warnings})
        return
    for warning in warnings:
        echo(f"warning: {warning}", err=True)
    if output.quiet:
        return
    for route in found.routes:
        echo(f"{route.name}: {' '.join(route.match)} -> {_destination(route)}{_after(route)}")
    for key in taken:
        echo(f"{key['key']}: " + (f"{key['route']} -> {key['target']}" if key["route"] else "no route matches it"))
        if key.get("member_route", key["route"]) != key["route"]:
            echo(f"{key['key']}, as a member of an archive: {key['member_route']} -> {key['member_target']}")


def _described(route: Route) -> dict[str, object]:
    return {
        "name": route.name,
        "match": route.match,
        "source_bucket": route.source_bucket,
        "codec": route.codec,
        "destination": route.destination,
        **({"after": asdict(route.after)} if route.after else {}),
        **({"archive": route.archive, "members": route.members} if route.archive else {}),
    }


def _destination(route: Route) -> str:
    """The destination and, for a table, how it is loaded; for archives, which members are delivered."""
    if route.takes_apart:
        return f"the routes of its members ({' '.join(route.members) or 'all'})"
    table = route.plan.table if route.plan else None
    if table:
        by = f" by {', '.join(table.key)}" if table.key else ""
        return f"{route.destination} ({table.mode}{by})"
    if route.plan and route.plan.choice:
        names = ", ".join(dict.fromkeys(table.name for table in route.plan.choice.tables.values()))
        return f"{route.destination} ({names} by {route.plan.choice.field})"
    return route.destination


def _after(route: Route) -> str:
    """What becomes of the object after its job, in words of routes.toml."""
    actions = asdict(route.after) if route.after else {}
    told = ", ".join(f"{text} on {end}" for end, text in actions.items() if text)
    return f" (after: {told})" if told else ""


def _taken(given: str, found: Routes) -> dict[str, str | None]:
    from penstock.model.object import Source  # noqa: PLC0415  # as above
    from penstock.routes import destination_of  # noqa: PLC0415  # as above

    bucket, key = found.source_bucket, given
    if given.startswith("s3://"):
        bucket, _, key = given.removeprefix("s3://").partition("/")
    source = Source(bucket, key, 0, "")
    member = found.as_member(source)
    (route, target), (of_member, member_target) = (
        (taking.name, destination_of(taking, one).uri) if one and (taking := found.route_of(one)) else (None, None)
        for one in (source, member)
    )
    found_member = {"member_route": of_member, "member_target": member_target} if of_member else {}
    return {"key": given, "route": route or of_member, "target": target or member_target, **found_member}
