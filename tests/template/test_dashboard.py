"""The dashboard: what it shows, what that costs, and that its metrics exist."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from benchmarks.idle_costs import metrics_shown

from penstock import telemetry
from penstock.explain.prices import listed_prices

Resources = dict[str, dict[str, Any]]

# An account has three dashboards without a charge, if none shows more metrics.
FREE_METRICS = 50
OF_AWS = {
    "AWS/SQS": {"QueueName"},
    "AWS/Lambda": {"FunctionName"},
    "AWS/States": {"StateMachineArn"},
    "AWS/DynamoDB": {"TableName", "GlobalSecondaryIndexName"},
}


@pytest.fixture
def dashboard(resources: Resources) -> dict[str, Any]:
    properties: dict[str, Any] = resources["Dashboard"]["Properties"]
    return properties


@pytest.fixture
def widgets(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    body, _ = dashboard["DashboardBody"]["Fn::Sub"]
    found: list[dict[str, Any]] = json.loads(body)["widgets"]
    return found


def shown(widgets: list[dict[str, Any]]) -> list[list[Any]]:
    """The metrics, without expressions: namespace, name, and pairs of dimensions; options last, if there are any."""
    metrics = [metric for widget in widgets for metric in widget["properties"]["metrics"]]
    return [[part for part in metric if isinstance(part, str)] for metric in metrics if isinstance(metric[0], str)]


def test_it_shows_bytes_jobs_latency_rejects_queue_errors_and_cost(widgets: list[dict[str, Any]]) -> None:
    titles = [widget["properties"]["title"] for widget in widgets]
    assert [re.split("[ ,]", title)[0] for title in titles] == [
        *("Jobs", "From", "Bytes", "Rows", "Waiting", "Errors", "Large", "Functions", "Dollars", "Longest")
    ]
    latency = widgets[1]["properties"]
    assert [metric[-1].get("stat", latency["stat"]) for metric in latency["metrics"]] == ["p50", "p95", "Maximum"]


def test_every_metric_of_penstock_is_one_that_the_handlers_send(widgets: list[dict[str, Any]]) -> None:
    """tests/e2e/test_metrics.py shows the same of a stack, with the dimension."""
    penstock = {tuple(metric[1:]) for metric in shown(widgets) if metric[0] == "Penstock"}
    sent = {*telemetry.STATES.values(), "BytesIn", "BytesOut", "Rows", "Rejects", "Latency", "PeakMemory"}
    assert penstock == {(name, "service", "${AWS::StackName}") for name in sent}


def test_every_metric_of_aws_has_the_dimensions_of_its_service_and_a_resource_of_the_stack(
    widgets: list[dict[str, Any]], resources: Resources
) -> None:
    for namespace, _, *dimensions in shown(widgets):
        if namespace == "Penstock":
            continue
        assert set(dimensions[::2]) <= OF_AWS[namespace]
        named = re.fullmatch(r"\$\{(\w+)(\.QueueName)?\}", with_reference(dimensions[1]))
        assert named
        assert named[1] in resources


def with_reference(name: str) -> str:
    """A function that not every stack has is shown by its name: a reference to it would be refused."""
    return re.sub(r"^\$\{AWS::StackName\}-(\w+)$", lambda found: f"${{{found[1].title()}Function}}", name)


def test_the_errors_of_every_function_are_shown(widgets: list[dict[str, Any]], resources: Resources) -> None:
    functions = {name for name, one in resources.items() if one["Type"] == "AWS::Serverless::Function"}
    errors = {with_reference(metric[3]).strip("${}") for metric in shown(widgets) if metric[1] == "Errors"}
    assert errors == functions


def test_it_is_optional_and_free_where_an_account_has_fewer_than_three(
    resources: Resources, dashboard: dict[str, Any], parameters: dict[str, dict[str, Any]]
) -> None:
    assert resources["Dashboard"]["Condition"] == "ShowDashboard"
    assert parameters["CreateDashboard"]["Default"] == "true"
    assert metrics_shown(dashboard) <= FREE_METRICS


def test_widgets_stand_side_by_side(widgets: list[dict[str, Any]]) -> None:
    places = [(widget["x"], widget["y"], widget["width"], widget["height"]) for widget in widgets]
    assert places == [(number % 2 * 12, number // 2 * 6, 12, 6) for number in range(len(widgets))]


def test_expressions_use_metrics_of_their_widget_and_the_listed_prices(
    widgets: list[dict[str, Any]], template: dict[str, Any], dashboard: dict[str, Any]
) -> None:
    (cost,) = [widget["properties"] for widget in widgets if widget["properties"]["title"].startswith("Dollars")]
    ids = {metric[-1]["id"] for metric in cost["metrics"] if isinstance(metric[0], str)}
    expressions = [metric[0]["expression"] for metric in cost["metrics"] if isinstance(metric[0], dict)]
    assert set(re.findall(r"FILL\((\w+), 0\)", " ".join(expressions))) == ids
    _, values = dashboard["DashboardBody"]["Fn::Sub"]
    assert values == {
        "GbSecond": {
            "Fn::If": ["OnArm", *({"Fn::FindInMap": ["Prices", key, "GbSecond"]} for key in ("arm64", "x8664"))]
        },
        **{name: {"Fn::FindInMap": ["Prices", "x8664", name]} for name in ("Request", "WriteUnit", "ReadUnit")},
    }
    prices = listed_prices()
    assert prices.region == "us-east-1"
    for key, architecture in (("x8664", "x86_64"), ("arm64", "arm64")):
        mapped = template["Mappings"]["Prices"][key]
        assert {name: float(value) for name, value in mapped.items()} == pytest.approx(
            {
                "GbSecond": prices.lambda_.gb_second(architecture),
                "Request": prices.lambda_.million_requests / 1e6,
                "WriteUnit": prices.dynamodb.million_writes / 1e6,
                "ReadUnit": prices.dynamodb.million_reads / 1e6,
            }
        )
