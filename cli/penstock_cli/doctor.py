"""`penstock doctor`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import click

from penstock.model.table import Mode
from penstock_cli.options import OutputOptions, output_options
from penstock_cli.output import Safe, echo, echo_json, safe, styled
from penstock_cli.stacks import StackOptions, stack_options

if TYPE_CHECKING:
    from penstock.wiring.doctor import Finding, Group

_FAILED, _WARNING = "failed", "warning"
# The sign and the colour of each level.
_SIGNS = {
    "ok": ("ok  ", "green"),
    "note": ("note", "cyan"),
    _WARNING: ("warn", "yellow"),
    _FAILED: ("FAIL", "red"),
    "not checked": ("  - ", "bright_black"),
}
_MARGIN = " " * 8


@click.command()
@click.option(
    "--group", "groups", multiple=True, metavar="NAME", help="Check this group only, such as rights or buckets."
)
@click.option("--to", default="", metavar="DEST", help="Check this destination of `penstock run`, and no stack.")
@click.option("--dsn", default="", envvar="PENSTOCK_POSTGRES_DSN", show_envvar=True, help="The PostgreSQL database.")
@click.option("--mode", type=click.Choice([str(mode) for mode in Mode]), help="With --to: how rows are written.")
@click.option("--key", multiple=True, metavar="COLUMN", help="With --to: key column for upsert.")
@click.option("--create", is_flag=True, help="With --to: create the table if it does not exist.")
@stack_options
@output_options
def doctor(
    *,
    groups: tuple[str, ...],
    to: str,
    dsn: str,
    mode: str | None,
    key: tuple[str, ...],
    create: bool,
    stack: StackOptions,
    output: OutputOptions,
) -> None:
    """Check everything that a stack needs, and show the remedy of what is missing. Nothing is changed.

    Each line is ok, note, warn, FAIL, or - for what you may not check; it then names the right that you lack. The exit
    code is 1 if a line is FAIL. The function `check` of the stack tries requests without an effect under the role of
    `ingest`: it begins an upload in each destination bucket and aborts it, reads a byte of an object in each source
    bucket, and connects to the database.

    \b
      penstock doctor --stack penstock-prod
      penstock doctor --stack penstock-prod --group rights --group database
      penstock doctor --local --json | jq '.groups[].findings[] | select(.level == "failed")'
      penstock doctor --to postgresql:orders --mode upsert --key id --dsn postgresql://loader@db/sales
      penstock doctor --to s3://lake/clean/orders.csv

    With --to or --dsn, it checks what `penstock run` needs, as the current user, and no stack.
    """
    from penstock.wiring.doctor import GROUPS, examine_destination, examine_stack  # noqa: PLC0415  # imports botocore

    table = {"mode": mode, "key": [name for names in key for name in names.split(",")], "create": create}
    table = {name: value for name, value in table.items() if value}
    if to or _is_given("dsn"):
        if groups or stack.local or _is_given("stack"):
            raise click.UsageError("--to and --dsn are for `penstock run`: omit --group and --stack.")
        examined = examine_destination(stack.access(), to, dsn, table, connections=1)
    elif table:
        raise click.UsageError(f"--{next(iter(table))} needs --to.")
    else:
        known = [group.name for group in GROUPS]
        if unknown := sorted(set(groups) - set(known)):
            raise click.BadParameter(f"{unknown[0]} is none of {', '.join(known)}", param_hint="--group")
        examined = examine_stack(stack.access(), stack.deployed_name(), groups)
    counts = _print_json(examined) if output.as_json else _print(examined, quiet=output.quiet)
    if counts[_FAILED]:
        click.get_current_context().exit(1)


def _is_given(option: str) -> bool:
    return click.get_current_context().get_parameter_source(option) is click.core.ParameterSource.COMMANDLINE


def _print(examined: Iterable[tuple[Group, Iterator[Finding]]], *, quiet: bool) -> Counter[str]:
    """Print findings as they are made; with ``quiet``, those with a remedy only."""
    counts: Counter[str] = Counter()
    for group, findings in examined:
        is_titled = False
        for finding in findings:
            counts[finding.level] += 1
            if quiet and finding.level not in (_FAILED, _WARNING):
                continue
            if not is_titled:
                echo(*(("",) if counts.total() > 1 else ()), styled(group.title, bold=True))
                is_titled = True
            _print_finding(finding)
    if not quiet:
        echo("", ", ".join(f"{counts[level]} {level}" for level in _SIGNS if counts[level]))
    return counts


def _print_finding(finding: Finding) -> None:
    sign, colour = _SIGNS[finding.level]
    found = finding.found if finding.level != "not checked" else f"not checked: {finding.found}"
    echo(Safe(f"  {styled(sign, fg=colour)}  {safe(f'{finding.name}: {found}')}"))
    for line in finding.remedy.splitlines():
        echo(Safe(_MARGIN + safe(line)))


def _print_json(examined: Iterable[tuple[Group, Iterator[Finding]]]) -> Counter[str]:
    counts: Counter[str] = Counter()
    groups = []
    for group, findings in examined:
        lines = [
            {"name": one.name, "level": str(one.level), "found": one.found, "remedy": one.remedy} for one in findings
        ]
        counts.update(line["level"] for line in lines)
        groups.append({"name": group.name, "title": group.title, "findings": lines})
    echo_json({"ok": not counts[_FAILED], "counts": counts, "groups": groups})
    return counts
