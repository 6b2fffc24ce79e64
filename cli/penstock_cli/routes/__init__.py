"""`penstock routes`: check routes before they are deployed."""

from __future__ import annotations

import click

from penstock_cli.routes.check import check


@click.group()
def routes() -> None:
    """Check routes before they are deployed."""


routes.add_command(check)
