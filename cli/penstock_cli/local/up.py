"""`penstock local up`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from penstock_cli.local.summary import show
from penstock_cli.output import echo
from penstock_local import stack as stacks
from penstock_local.catalogs import CATALOGS
from penstock_local.deploy import check_parameters
from penstock_local.errors import LocalStackError
from penstock_local.interrupt import sigterm_exits


class NameValue(click.ParamType):
    """Split ``NAME=VALUE``."""

    name = "NAME=VALUE"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        name, separator, text = value.partition("=")
        if not (name and separator):
            self.fail(f"{value!r} is not NAME=VALUE", param, ctx)
        return name, text


@click.command()
@click.option("--detach", is_flag=True, help="Return at once; `penstock local down` stops the stack.")
@click.option("--port", type=click.IntRange(1, 65535), help="Port on 127.0.0.1.  [default: a free one]")
@click.option(
    "--routes",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A routes.toml to use instead of the packaged one.",
)
@click.option(
    "--parameter",
    "parameters",
    type=NameValue(),
    multiple=True,
    help="A parameter of the template, such as MemorySize=512. May be given several times.",
)
@click.option(
    "--iceberg",
    type=click.Choice(CATALOGS),
    default=None,
    help="Create a catalog for routes to iceberg:lake.TABLE: a database of Glue, or an S3 table bucket.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object with endpoint and names, nothing else.")
@click.pass_obj
def up(
    state_dir: Path | None,
    *,
    detach: bool,
    port: int | None,
    routes: Path | None,
    parameters: tuple[tuple[str, str], ...],
    iceberg: str | None,
    as_json: bool,
) -> None:
    """Start the stack and print its endpoint and names.

    The command runs until Ctrl-C and then stops the stack, unless --detach is given. A running stack is kept; with
    other --routes, another --parameter or --iceberg, it is deployed again, and keeps what is in it.
    """
    given: dict[str, Any] = {"routes": routes, "parameters": dict(parameters), "iceberg": iceberg or ""}
    if existing := stacks.find(state_dir):
        _refuse_other_port(existing, port)
        check_parameters(dict(parameters))
        existing = stacks.change(existing, **given, state_dir=state_dir)
        show(existing, as_json=as_json, lead="Already up")
        return
    check_parameters(dict(parameters))
    with sigterm_exits():
        if detach:
            started = stacks.start(port=port or 0, state_dir=state_dir, **given)
            show(started, as_json=as_json)
            return
        directory = state_dir or stacks.state_directory()
        with stacks.running(port=port or 0, state_dir=directory, **given) as stack:
            show(stack, as_json=as_json)
            echo("", "Ctrl-C ends it.", err=True)
            stacks.wait(directory)


def _refuse_other_port(existing: stacks.Stack, port: int | None) -> None:
    if port and existing.port != port:
        raise LocalStackError(
            f"the stack is already running at {existing.endpoint}", hint="Stop it first: `penstock local down`."
        )
