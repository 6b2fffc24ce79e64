"""What the function `check` tries: the network first, and nothing of a service that cannot be reached."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from doctor_fakes import NAMES
from penstock.aws.inspection.trials import AwsTrials
from penstock.doctor.finding import Finding, Level
from penstock.doctor.trials import Workplace, check_database, read_prefixes, try_all, written_prefixes
from penstock.errors import AccessDeniedError, ConfigurationError, InvalidRouteError, RequestRefusedError
from penstock.model.check import Check
from penstock.routes import Routes, parse_routes

ROUTES = """
[[route]]
name = "archives"
match = ["*.zip"]
archive = "members"
password_secret = "archives/ours"
"""


@dataclass
class Tried:
    """Implements ``Trials``. ``away`` are services without a way to them, ``denied`` what is refused."""

    away: set[str] = field(default_factory=set)
    denied: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    region: str = "eu-west-1"

    def endpoint(self, service: str) -> str:
        return service

    def reach(self, endpoint: str) -> str:
        return "no answer within 3 s" if endpoint in self.away else ""

    def read_bucket(self, bucket: str, prefix: str) -> str:
        return self._ask(f"{bucket}{prefix}")

    def write_bucket(self, bucket: str, prefix: str) -> str:
        return self._ask(f"{bucket}{prefix}")

    def read_text(self, bucket: str) -> str:
        return self._ask(bucket)

    def read_item(self, table: str) -> str:
        return self._ask(table)

    def describe_table(self, table: str) -> str:
        return self._ask(table)

    def _ask(self, name: str) -> str:
        self.asked.append(name)
        if name in self.denied:
            raise AccessDeniedError(f"s3:PutObject on {name}")
        return "done"


def read() -> Routes:
    return parse_routes(ROUTES, "routes.toml", NAMES)


def workplace(tried: Tried, **given: Any) -> Workplace:
    values: dict[str, Any] = {
        "source_buckets": ["drops"],
        "destination_buckets": ["results"],
        "work_bucket": "work",
        "jobs_table": "jobs",
        "records_table": "records",
        "routes": read,
        "secrets": lambda _: b"opensesame",
        "database": None,
    }
    return Workplace(trials=tried, **{**values, **given})


def by_name(findings: Iterable[Finding]) -> dict[str, Finding]:
    return {one.name: one for one in findings}


def test_everything_is_tried_once() -> None:
    tried = Tried()
    found = by_name(try_all(workplace(tried)))
    assert {one.level for one in found.values()} == {Level.OK}
    assert tried.asked == ["drops", "results", "work", "jobs", "records"]
    assert set(found) >= {"network", "routes", "secret archives/ours"}
    assert "opensesame" not in str(found)


def test_a_service_without_a_way_is_named_with_its_endpoint_and_asked_nothing() -> None:
    tried = Tried(away={"s3", "sqs"})
    found = by_name(try_all(workplace(tried)))
    assert found["reach s3"].level is Level.FAILED
    assert "gateway endpoint com.amazonaws.eu-west-1.s3" in found["reach s3"].remedy
    assert "interface endpoint com.amazonaws.eu-west-1.sqs" in found["reach sqs"].remedy
    assert found["write results"] == Finding("write results", Level.NOT_CHECKED, "s3 cannot be reached")
    assert tried.asked == ["jobs", "records"]
    assert "network" not in found


def test_a_right_that_is_missing_under_the_role_is_a_failure() -> None:
    found = by_name(try_all(workplace(Tried(denied={"results"}))))
    assert (found["write results"].level, found["read drops"].level) == (Level.FAILED, Level.OK)
    assert found["write results"].found == "access denied: s3:PutObject on results"


def test_a_secret_or_a_routes_file_that_is_gone_is_a_failure_of_its_own() -> None:
    def gone(name: str) -> object:
        raise RequestRefusedError(f"{name} does not exist")

    def broken() -> Routes:
        raise InvalidRouteError("routes.toml: not TOML")

    assert by_name(try_all(workplace(Tried(), secrets=gone)))["secret archives/ours"].level is Level.FAILED
    found = by_name(try_all(workplace(Tried(), routes=broken)))
    assert found["routes"].found == "routes.toml: not TOML"
    assert found["write results"].level is Level.OK


def test_the_database_is_checked_for_all_connections_and_not_at_all_without_one() -> None:
    def database(routes: Routes, connections: int) -> Iterator[Check]:
        yield Check("connections", True, f"{len(routes.routes)} {connections}")  # its value

    assert list(check_database(workplace(Tried()), 45)) == []
    (found,) = check_database(workplace(Tried(), database=database), 45)
    assert (found.level, found.found) == (Level.OK, "1 45")


def test_the_database_is_checked_without_its_tables_if_the_routes_cannot_be_read() -> None:
    def database(routes: Routes, connections: int) -> Iterator[Check]:
        yield Check("connection", True, f"{len(routes.routes)} {connections}")  # its value

    def gone() -> Routes:
        raise ConfigurationError("s3://work/config/routes.toml does not exist")

    connection, tables = check_database(workplace(Tried(), database=database, routes=gone), 45)
    assert (connection.level, connection.found) == (Level.OK, "0 45")
    assert tables == Finding("tables", Level.NOT_CHECKED, "needs the routes file, which cannot be read")


def test_a_route_to_a_database_needs_one() -> None:
    text = '[[route]]\nname = "orders"\nmatch = ["*"]\ndestination = "postgresql:orders"\n'
    place = workplace(Tried(), routes=lambda: parse_routes(text, "routes.toml", NAMES))
    (found,) = check_database(place, 45)
    assert (found.level, found.found) == (Level.FAILED, "goes to postgresql, and the stack names no database")


ROUTE = """
[[route]]
name = "{name}"
match = {match}
destination = "{destination}"
"""


def test_buckets_are_tried_where_routes_read_and_write() -> None:
    text = ROUTE.format(name="a", match='["in/2026/*.csv", "in/20??/x"]', destination="s3://results/clean/{key}")
    text += ROUTE.format(name="b", match='["*.gz"]', destination="s3://results/{key}") + 'source_bucket = "drops"\n'
    routes = parse_routes(text, "routes.toml", NAMES).routes
    assert read_prefixes(routes, "drops") == ["in/2026/", "in/", ""]
    assert read_prefixes(routes, "others") == ["in/2026/", "in/"]
    assert written_prefixes(routes, "results") == ["clean/", ""]
    assert written_prefixes(routes, "unused") == [""]


def trials(port: int) -> AwsTrials:
    return AwsTrials(lambda _: SimpleNamespace(meta=SimpleNamespace(endpoint_url=f"http://127.0.0.1:{port}")))


def test_a_connection_is_opened_and_a_closed_port_is_seen() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
        tried = trials(port)
        assert tried.reach(tried.endpoint("sqs")) == ""
    assert tried.reach(tried.endpoint("sqs")) == "Connection refused"


@pytest.mark.parametrize(
    ("url", "endpoint"), [("https://sqs.eu-west-1.amazonaws.com", "sqs.eu-west-1.amazonaws.com:443")]
)
def test_an_endpoint_has_the_port_of_its_scheme(url: str, endpoint: str) -> None:
    tried = AwsTrials(lambda _: SimpleNamespace(meta=SimpleNamespace(endpoint_url=url)))
    assert tried.endpoint("sqs") == endpoint
