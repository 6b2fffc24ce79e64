"""What the stack costs in a month without a job, resource by resource, from template.yaml and deploy/operations.yaml.

A resource of a type that is neither priced nor free here is an error, so that the table cannot lack one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from faults.template import read_template

from penstock.aws.jobs_table.time_index import AFTER_SHARDS, SHARDS
from penstock.explain.costs import GB, MILLION, THOUSAND
from penstock.explain.prices import Prices
from penstock.jobs.reconcile import dead_letters, uploads

MINUTES = 30 * 24 * 60
# Lambda polls a queue with five long polls of 20 s, and with no fewer if its concurrency has a maximum.
# https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
POLLS = 5 * MINUTES * 60 // 20
# Seconds of an idle run of the reconciler (`python -m benchmarks.idle_reconciler`), and bytes of Lambda's three lines
# in its log.
RECONCILER_SECONDS, RECONCILER_LOG = 0.14, 450
# Read request units of a query that finds nothing, and of the items that say when a task is due.
QUERY, TASKS = 0.5, 2

FREE = {
    "AWS::IAM::ManagedPolicy": "rights are free",
    "AWS::IAM::Role": "rights are free",
    "AWS::Lambda::Permission": "rights are free",
    "AWS::S3::BucketPolicy": "rights are free",
    "AWS::SNS::TopicPolicy": "rights are free",
    "AWS::SQS::QueuePolicy": "rights are free",
    "AWS::Serverless::LayerVersion": "an account stores 75 GB of code without a charge",
    "AWS::Serverless::StateMachine": "by transition; an idle machine has none",
    "AWS::Events::Rule": "events of AWS services and schedules are free",
    "AWS::Lambda::EventSourceMapping": "a queue is polled at its own price, a stream of DynamoDB free",
}


@dataclass(frozen=True, slots=True)
class Charge:
    """What a resource costs in a month. ``free``: which allowance of the free tier it uses, and how much of it."""

    resource: str
    what: str
    dollars: float
    free: str = ""
    amount: float = 0.0


Resource = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class IdleStack:
    """The resources of a template, with the defaults of its parameters."""

    template: Mapping[str, Any]
    prices: Prices

    @classmethod
    def read(cls, prices: Prices) -> IdleStack:
        return cls(read_template(), prices)

    def charges(self) -> Iterator[Charge]:
        """Yield every charge. Raises KeyError for a type of resource that has no price and no reason to be free."""
        for name, resource in self.template["Resources"].items():
            kind = resource["Type"]
            if kind not in FREE and ("Condition" not in resource or self.holds({"Condition": resource["Condition"]})):
                yield from PRICED[kind](self, name, resource.get("Properties", {}))

    def holds(self, condition: Mapping[str, Any]) -> bool:
        """Evaluate a condition of the template for the defaults of its parameters."""
        ((function, argument),) = condition.items()
        match function:
            case "Condition":
                return self.holds(self.template["Conditions"][argument])
            case "Fn::Not":
                return not self.holds(argument[0])
            case "Fn::Or":
                return any(map(self.holds, argument))
            case "Fn::And":
                return all(map(self.holds, argument))
            case "Fn::Equals":
                one, other = map(self._value, argument)
                return one == other
        raise ValueError(f"{function}: not a function of conditions")

    def _value(self, value: Any) -> str:
        """Return a text, the default of a parameter, or that of a list."""
        if not isinstance(value, dict):
            return str(value)
        name = value["Fn::Join"][1]["Ref"] if "Fn::Join" in value else value["Ref"]
        return str(self.template["Parameters"][name]["Default"])

    def runs(self) -> int:
        """Return how often the schedule starts the reconciler in a month."""
        events = self.template["Resources"]["ReconcileFunction"]["Properties"]["Events"].values()
        (schedule,) = (event["Properties"]["Schedule"] for event in events if event["Type"] == "Schedule")
        found = re.fullmatch(r"rate\((\d+) minutes?\)", schedule)
        if not found:
            raise ValueError(f"{schedule}: only a rate of minutes has a price")
        return MINUTES // int(found[1])

    def function(self, name: str, properties: Resource) -> Iterator[Charge]:
        """Of all functions, only the reconciler runs in an idle stack."""
        schedules = [event for event in properties.get("Events", {}).values() if event["Type"] == "Schedule"]
        if not schedules:
            return
        prices, runs = self.prices, self.runs()
        seconds = runs * RECONCILER_SECONDS * properties["MemorySize"] / 1024
        own = properties.get("Architectures", self.template["Globals"]["Function"]["Architectures"])[0]
        architecture = self.template["Parameters"]["Architecture"]["Default"] if isinstance(own, dict) else own
        price = prices.lambda_.gb_second(architecture)
        yield Charge(
            name, f"{runs:,} invocations", runs * prices.lambda_.million_requests / MILLION, "lambda_requests", runs
        )
        yield Charge(name, f"{seconds:,.0f} GB-seconds", seconds * price, "lambda_gb_seconds", seconds)
        if properties.get("Tracing", self.template["Globals"]["Function"]["Tracing"]) == "Active":
            yield Charge(name, f"{runs:,} traces", runs * prices.xray.million_traces / MILLION, "traces", runs)

    def queue(self, name: str, _: Resource) -> Iterator[Charge]:
        """A queue is polled by Lambda for a function, or read by the reconciler."""
        price = self.prices.sqs.million_requests / MILLION
        requests = POLLS if self._is_polled(name) else int(MINUTES * 60 / dead_letters.EVERY_SECONDS)
        yield Charge(name, f"{requests:,} receives that find nothing", requests * price, "sqs_requests", requests)

    def _is_polled(self, queue: str) -> bool:
        functions = (one for one in self.template["Resources"].values() if one["Type"] == "AWS::Serverless::Function")
        events = (event for one in functions for event in one["Properties"].get("Events", {}).values())
        return any(
            event["Type"] == "SQS" and event["Properties"]["Queue"]["Fn::GetAtt"][0] == queue for event in events
        )

    def table(self, name: str, _: Resource) -> Iterator[Charge]:
        """The reconciler queries the index of the jobs table; a table without items stores nothing."""
        if name != "JobsTable":
            return
        reads = self.runs() * ((SHARDS + AFTER_SHARDS) * QUERY + TASKS)
        writes = sum(int(MINUTES * 60 / every) for every in (uploads.EVERY_SECONDS, dead_letters.EVERY_SECONDS))
        yield Charge(name, f"{reads:,.0f} read request units", reads * self.prices.dynamodb.million_reads / MILLION)
        yield Charge(name, f"{writes:,} write request units", writes * self.prices.dynamodb.million_writes / MILLION)

    def bucket(self, name: str, _: Resource) -> Iterator[Charge]:
        """The reconciler lists unfinished uploads; a bucket without objects stores nothing."""
        if name == "DestinationBucket":
            lists = int(MINUTES * 60 / uploads.EVERY_SECONDS)
            yield Charge(name, f"{lists:,} listings of uploads", lists * self.prices.s3.thousand_puts / THOUSAND)

    def log_group(self, name: str, _: Resource) -> Iterator[Charge]:
        """Only the reconciler writes a log."""
        if name == "ReconcileLogGroup":
            size = self.runs() * RECONCILER_LOG / GB
            yield Charge(name, f"{size * 1000:,.0f} MB", size * self.prices.cloudwatch.gb_logs, "logs_gb", size)

    def alarm(self, name: str, properties: Resource) -> Iterator[Charge]:
        """An alarm is charged for each metric that it reads."""
        metrics = sum("MetricStat" in metric for metric in properties.get("Metrics", [])) or 1
        yield Charge(name, counted(metrics, "metric"), metrics * self.prices.cloudwatch.alarm_month, "alarms", metrics)

    def dashboard(self, name: str, properties: Resource) -> Iterator[Charge]:
        """A dashboard is free in an account with fewer than three, of at most fifty metrics each."""
        yield Charge(
            name, f"{metrics_shown(properties)} metrics", self.prices.cloudwatch.dashboard_month, "dashboards", 1
        )


def metrics_shown(properties: Resource) -> int:
    """Return how many metrics a dashboard shows, expressions not counted."""
    body = properties["DashboardBody"]["Fn::Sub"]
    widgets = json.loads(body if isinstance(body, str) else body[0])["widgets"]
    metrics = [metric for widget in widgets for metric in widget["properties"].get("metrics", [])]
    return sum(isinstance(metric[0], str) for metric in metrics)


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def after_free_tier(charges: list[Charge], prices: Prices) -> float:
    """Return the dollars that are left in an account that has nothing else."""
    used: dict[str, float] = {}
    for charge in charges:
        used[charge.free] = used.get(charge.free, 0.0) + charge.amount

    def share(charge: Charge) -> float:
        if not charge.free:
            return 1.0
        allowance: float = getattr(prices.free, charge.free)
        return max(0.0, 1 - allowance / used[charge.free])

    return sum(charge.dollars * share(charge) for charge in charges)


PRICED: Mapping[str, Callable[[IdleStack, str, Resource], Iterator[Charge]]] = {
    "AWS::Serverless::Function": IdleStack.function,
    "AWS::SQS::Queue": IdleStack.queue,
    "AWS::DynamoDB::Table": IdleStack.table,
    "AWS::S3::Bucket": IdleStack.bucket,
    "AWS::Logs::LogGroup": IdleStack.log_group,
    "AWS::CloudWatch::Alarm": IdleStack.alarm,
    "AWS::CloudWatch::Dashboard": IdleStack.dashboard,
}
