"""`penstock ledger`: the tables that Penstock keeps in PostgreSQL."""

from __future__ import annotations

import click

from penstock_cli.ledger.sql import sql


@click.group()
def ledger() -> None:
    """Prepare the tables that Penstock keeps in PostgreSQL."""


ledger.add_command(sql)
