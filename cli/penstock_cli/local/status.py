"""`penstock local status`."""

from __future__ import annotations

from pathlib import Path

import click

from penstock_cli.local.summary import for_people
from penstock_cli.output import echo, echo_json
from penstock_local import stack as stacks

NOT_UP = 3


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, nothing else.")
@click.pass_context
def status(ctx: click.Context, as_json: bool) -> None:
    """Show whether the stack is running: exit code 0 if it is, 3 if it is not."""
    state_dir: Path | None = ctx.obj
    stack = stacks.find(state_dir)
    if as_json:
        echo_json({"up": stack is not None, **(stack.as_json() if stack else {})})
    else:
        echo(*(for_people(stack, "Up") if stack else ["No local stack is up."]))
    ctx.exit(0 if stack else NOT_UP)
