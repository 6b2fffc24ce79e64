"""Routes to Iceberg tables: what they may say, and what is refused by name."""

from __future__ import annotations

import pytest

from penstock.errors import InvalidRouteError
from penstock.model.table import Mode
from penstock.routes import Routes, parse_routes

ROUTE = """
[[route]]
name = "orders"
match = ["{match}"]
destination = "{destination}"
{table}
"""
ARCHIVES = """
[[route]]
name = "archives"
match = ["in/*.zip"]
archive = "members"
"""


def routes(table: str = "", destination: str = "iceberg:sales.orders", match: str = "in/*", more: str = "") -> Routes:
    text = ROUTE.format(destination=destination, table=table, match=match) + more
    return parse_routes(text, "routes.toml", {"source_bucket": "drops"})


def test_a_route_names_a_table_its_mode_and_its_partitions() -> None:
    (route,) = routes('[route.table]\nmode = "replace"\nreplaces = "partitions"\npartition_by = ["country"]\n').routes
    assert route.plan
    (table,) = route.plan.tables
    assert (route.store, table.name, table.mode) == ("iceberg", "sales.orders", Mode.REPLACE)
    assert (table.replaces, table.files.partition_by) == ("partitions", ("country",))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            '[route.table]\nmode = "upsert"\nkey = ["id"]\n',
            'mode "upsert" is not possible for iceberg',
        ),
        ('[route.table]\nkey = ["id"]\n', "key is for upsert"),
        ('[route.table]\nreplaces = "partitions"\n', 'replaces is for mode = "replace"'),
        ('[route.table]\nmode = "replace"\nreplaces = "rows"\n', 'replaces must be "table" or "partitions"'),
        ("[route.table]\npartition_by = ['century(at)']\n", "partition_by 'century"),
    ],
)
def test_what_iceberg_cannot_do_is_refused_by_name(table: str, message: str) -> None:
    with pytest.raises(InvalidRouteError, match=message.replace(" ", ".{1,3}", 1)):
        routes(table)


def test_a_choice_of_tables_is_refused_because_a_commit_is_for_one() -> None:
    choice = '[route.choice]\nfield = "kind"\n[route.choice.tables.a]\nname = "sales.a"\n'
    with pytest.raises(InvalidRouteError, match="a commit is for one table"):
        routes(choice, destination="iceberg:sales.all")


@pytest.mark.parametrize("name", ["orders", "sales.", "a.b.c", ".orders"])
def test_a_table_is_in_a_namespace(name: str) -> None:
    with pytest.raises(InvalidRouteError, match=r"iceberg:namespace\.table|must be namespace\.table"):
        routes(destination=f"iceberg:{name}")


def test_members_of_archives_are_refused() -> None:
    with pytest.raises(InvalidRouteError, match="is for members of archives, which have no commit of their own"):
        routes(match="in/*.zip/*.csv", more=ARCHIVES)


def test_a_route_that_also_takes_objects_is_not_refused() -> None:
    assert len(routes(match="*.csv", more=ARCHIVES).routes) == 2
