"""`penstock ledger sql`."""

from __future__ import annotations

import click

from penstock_cli.output import echo


@click.command()
@click.option("--role", required=True, metavar="NAME", help="The role that loads.")
@click.option("--schema", default="public", show_default=True, metavar="NAME", help="The schema of the tables.")
@click.option(
    "--table", "tables", multiple=True, metavar="NAME", help="A table to load, without its schema. Repeatable."
)
@click.option(
    "--mode",
    type=click.Choice(["append", "upsert", "replace"]),
    default="append",
    show_default=True,
    help="How the tables are loaded.",
)
@click.option("--key", is_flag=True, help="The route has a key. Only replace differs; upsert always has one.")
@click.option("--atomic", is_flag=True, help="The route loads all rows of a file or none.")
@click.option("--create", is_flag=True, help="Let the role create tables that are missing.")
@click.option("--evolve", is_flag=True, help="Make the role the owner of the tables: the route adds columns.")
def sql(
    *,
    role: str,
    schema: str,
    tables: tuple[str, ...],
    mode: str,
    key: bool,
    atomic: bool,
    create: bool,
    evolve: bool,
) -> None:
    """Print the SQL by which an administrator creates the ledger and the report of loads, and grants a role its rights.

    The role can then load without the right to create tables. The output may be run again, also after an update of
    Penstock. It contains no more rights than the mode needs.

    \b
      penstock ledger sql --role loader --table orders | psql --single-transaction DSN
      penstock ledger sql --role loader --schema sales --table orders --mode upsert
    """
    from penstock.destinations.postgres.administration import Grants, administration_sql  # noqa: PLC0415  # psycopg
    from penstock.model.table import Mode  # noqa: PLC0415  # not for --help

    grants = Grants(role, schema, tables, Mode(mode), has_key=key, atomic=atomic, create=create, evolve=evolve)
    for line in administration_sql(grants).splitlines():
        echo(line)
