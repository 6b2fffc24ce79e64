"""`penstock connect`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from penstock.model.object import Target
from penstock_cli.output import Safe, echo, echo_json, safe, styled
from penstock_cli.params import S3_URI
from penstock_cli.stacks import StackOptions, stack_options
from penstock_cli.table import aligned

if TYPE_CHECKING:
    from penstock.wiring.connect import Connection, Connector, Finding, Shown

_COLOURS = {"ok": "green", "note": "cyan", "missing": "yellow", "blocked": "red", "denied": "red"}
_TOPIC = re.compile(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]+(\.fifo)?")


@click.command(
    epilog="""\b
Examples:
  penstock connect s3://acme-drops
  penstock connect s3://acme-drops --apply
  penstock connect s3://acme-drops/in/ --via sqs --apply
  penstock connect s3://acme-drops --via sns --topic arn:aws:sns:us-east-1:111122223333:drops
  penstock connect s3://acme-lake --as destination --stack penstock
"""
)
@click.argument("bucket", type=S3_URI, metavar="s3://BUCKET[/PREFIX]")
@click.option(
    "--as",
    "side",
    type=click.Choice(["source", "destination"]),
    default="source",
    show_default=True,
    help="What the bucket is to the stack.",
)
@click.option(
    "--via",
    type=click.Choice(["eventbridge", "sqs", "sns"]),
    help="How events of a source reach the stack.  [default: sqs if the bucket notifies the queue already, else "
    "eventbridge]",
)
@click.option("--topic", default="", metavar="ARN", help="The topic for --via sns.  [default: the bucket's own]")
@click.option("--apply", "applies", is_flag=True, help="Set what is missing. Leave everything else as it is.")
@click.option("--remove", "removes", is_flag=True, help="Undo what --apply has set.")
@click.option(
    "--backup",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="File for what stood before.  [default: in the user's data directory]",
)
@click.option(
    "--bucket-profile",
    default="",
    metavar="NAME",
    help="Profile for the bucket, its key and its topic, if they are in another account than the stack.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
@stack_options
def connect(
    *,
    bucket: Target,
    side: str,
    via: str | None,
    topic: str,
    applies: bool,
    removes: bool,
    backup: Path | None,
    bucket_profile: str,
    as_json: bool,
    stack: StackOptions,
) -> None:
    """Show what a bucket that exists lacks to be a source or a destination of a stack; with --apply, set it.

    It checks where the bucket is, its notifications, its policy, its key and its other settings, and whether the stack
    lists it. A notification configuration and a policy are merged into what stands, which is saved first. What only
    others can change is shown: the parameters of the stack as a command, statements as JSON.

    The exit code is 0 if everything is in place, and 1 if something is missing.
    """
    if applies and removes:
        raise click.UsageError("--apply and --remove exclude each other: give only one of them.")
    if side == "destination" and (via or topic):
        raise click.UsageError("A destination sends no events: omit --via and --topic.")
    if topic and via != "sns":
        raise click.UsageError("--topic needs --via sns.")
    if topic and not _TOPIC.fullmatch(topic):
        raise click.BadParameter(f"{topic} is not the ARN of an SNS topic", param_hint="--topic")
    connector = _connector(bucket, side, via, topic, backup, bucket_profile, stack)
    if removes:
        _remove(connector, as_json=as_json)
    elif not _show(connector, local=stack.local, applies=applies, as_json=as_json):
        click.get_current_context().exit(1)


def _connector(  # noqa: PLR0917  # the options of the command
    bucket: Target,
    side: str,
    via: str | None,
    topic: str,
    backup: Path | None,
    bucket_profile: str,
    stack: StackOptions,
) -> Connector:
    from penstock.wiring.connect import Access, Connection, Connector, Side, Via  # noqa: PLC0415  # imports botocore

    connection = Connection(bucket.bucket, bucket.key, Side(side), Via(via) if via else None, topic)
    access = stack.access()
    bucket_access = access
    if bucket_profile:
        bucket_access = Access(bucket_profile, "", access.endpoint_url)
        click.get_current_context().call_on_close(bucket_access.close)
    return Connector(access, bucket_access, stack.deployed_name(), connection, backup)


def _show(connector: Connector, *, local: bool, applies: bool, as_json: bool) -> bool:
    from penstock.wiring.connect import deployment, in_place  # noqa: PLC0415  # imports botocore

    shown = connector.show()
    done: list[str] = []
    if applies:
        for line in connector.apply(shown):
            done.append(line)
            if not as_json:
                echo(f"done: {line}")
        shown = connector.show() if done else shown
    command = deployment(connector.target, shown.findings, local=local)
    if as_json:
        echo_json(
            {
                **_described(shown.connection, connector.stack),
                "in_place": in_place(shown.findings),
                "findings": [_as_json(finding) for finding in shown.findings],
                "deploy": command or None,
                **({"applied": done, "backup": connector.kept or None} if applies else {}),
            }
        )
    else:
        if done and connector.kept:
            echo(f"What stood before is in {connector.kept}.")
        print_findings(shown, connector.stack, command, applies=applies)
    return in_place(shown.findings)


def print_findings(shown: Shown, stack: str, command: str, *, applies: bool) -> None:
    """Print a table of all findings, and below it what to do about each."""
    from penstock.wiring.connect import in_place  # noqa: PLC0415  # imports botocore

    connection, findings = shown.connection, shown.findings
    way = f", by {connection.via}" if connection.via else ""
    echo(f"{connection.uri} as {connection.side} of {stack}{way}")
    echo(*aligned([(_level(finding), finding.check, finding.text) for finding in findings]))
    for finding in findings:
        if finding.remedy and not (finding.changes and applies):
            echo("", Safe(f"{_level(finding)} {safe(finding.check)}: {safe(finding.remedy)}"))
            if finding.document is not None:
                echo(*json.dumps(finding.document, indent=2).splitlines())
    if command:
        echo("", "Deploy the stack with these parameters, or add them to samconfig.toml:", f"  {command}")
    if in_place(findings):
        echo("", "Everything is in place.")
    elif any(finding.changes for finding in findings):
        echo("", "Add --apply to set what is missing.")


def _level(finding: Finding) -> Safe:
    return styled(str(finding.level), fg=_COLOURS[finding.level])


def _remove(connector: Connector, *, as_json: bool) -> None:
    removed: list[str] = []
    for line in connector.remove():
        removed.append(line)
        if not as_json:
            echo(line)
    if as_json:
        echo_json({**_described(connector.connection, connector.stack), "removed": removed})
    elif not removed:
        echo("Nothing to remove: connect has set nothing here.")


def _described(connection: Connection, stack: str) -> dict[str, object]:
    return {
        "bucket": connection.bucket,
        "prefix": connection.prefix,
        "as": connection.side,
        "via": connection.via,
        "stack": stack,
    }


def _as_json(finding: Finding) -> dict[str, object]:
    return {
        "check": finding.check,
        "level": finding.level,
        "text": finding.text,
        "remedy": finding.remedy or None,
        "document": finding.document,
        "changes": [change.text for change in finding.changes],
        "parameters": finding.parameters,
    }
