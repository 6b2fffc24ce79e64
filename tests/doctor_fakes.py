"""A stack in memory for the doctor's checks: good as it is; a test changes what it is about."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from penstock.aws.inspection.values import (
    Alarm,
    Concurrency,
    Document,
    FunctionState,
    MappingState,
    Notifications,
    QueueState,
    Resource,
    Rule,
    StackState,
    TableState,
)
from penstock.doctor.deployment import Deployment
from penstock.doctor.finding import Finding
from penstock.doctor.ports import Services
from penstock.errors import PenstockError
from penstock.routes import Routes, parse_routes

QUEUE = "arn:aws:sqs:us-east-1:111122223333:lake-ingest"
BURIED = "arn:aws:sqs:us-east-1:111122223333:lake-ingest-dead"
URL = "https://sqs.us-east-1.amazonaws.com/111122223333/lake-ingest"
TOPIC = "arn:aws:sns:us-east-1:111122223333:drops"
NO_NOTIFICATIONS = Notifications((), (), eventbridge=False, document={})
BY_SQS = Notifications([{"QueueArn": QUEUE, "Events": ["s3:ObjectCreated:*"]}], (), eventbridge=False, document={})
BY_SNS = Notifications((), [{"TopicArn": TOPIC, "Events": ["s3:ObjectCreated:*"]}], eventbridge=False, document={})
BY_RULE = Notifications((), (), eventbridge=True, document={})
NAMES = {"source_bucket": "drops", "destination_bucket": "results", "work_bucket": "work", "records_table": "records"}
ROUTES = '[[route]]\nname = "copy"\nmatch = ["*"]\ndestination = "s3://{destination_bucket}/{key}"\n'


def rule(*buckets: Any, enabled: bool = True, schedule: str = "") -> Rule:
    pattern = {"source": ["aws.s3"], "detail": {"bucket": {"name": list(buckets)}}}
    return Rule("lake-SourceRule", enabled, {} if schedule else pattern, schedule, [QUEUE])


@dataclass
class Fake:
    """Every service at once. Methods have the names and results of `doctor.ports`."""

    status: str = "CREATE_COMPLETE"
    created: float = 0.0
    parameters: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(
        default_factory=lambda: {
            "AllSourceBucketNames": "drops",
            "AllDestinationBucketNames": "results",
            "SourceBucketName": "drops",
            "DestinationBucketName": "results",
            "WorkBucketName": "work",
            "QueueUrl": URL,
            "DeadLetterQueueUrl": f"{URL}-dead",
            "JobsTableName": "jobs",
            "RecordsTableName": "records",
            "CheckFunctionName": "lake-check",
            "AbortFunctionName": "lake-abort",
            "IngestFunctionName": "lake-ingest",
            "StateMachineArn": "arn:aws:states:us-east-1:111122223333:stateMachine:lake-job",
        }
    )
    resources: dict[str, Resource] = field(
        default_factory=lambda: {
            name: Resource("AWS::Lambda::Function", f"lake-{name.removesuffix('Function').lower()}", "CREATE_COMPLETE")
            for name in ("IngestFunction", "ReconcileFunction")
        }
    )
    answer: Any = None
    notifications: Notifications = BY_SQS
    policy: Document = field(
        default_factory=lambda: {
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": ["s3.amazonaws.com", "sns.amazonaws.com"]},
                    "Action": "sqs:SendMessage",
                    "Condition": {"ArnLike": {"aws:SourceArn": ["arn:*:s3:::drops", TOPIC]}},
                }
            ]
        }
    )
    subscriptions: Sequence[tuple[str, str, bool]] = ()
    rules: Sequence[Rule] = ()
    regions: dict[str, str] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    bucket_key: str = ""
    waiting: int = 0
    oldest: float | None = None
    due: float | None = None
    alarms: Sequence[Alarm] = ()
    concurrency: Concurrency = field(default_factory=lambda: Concurrency(1000, 1000))
    routes: str = ROUTES
    routes_error: PenstockError | None = None

    def deployment(self) -> Deployment:
        return Deployment("lake", cast("Services", _Services(self)))

    def examine(self, check: Callable[[Deployment], Iterable[Finding]]) -> list[Finding]:
        return list(check(self.deployment()))


class _Services:
    """`Services` of a `Fake`."""

    def __init__(self, fake: Fake) -> None:
        self.stacks, self.functions, self.queues = _Stacks(fake), _Functions(fake), _Queues(fake)
        self.buckets, self.tables, self.rules = _Buckets(fake), _Tables(fake), _Rules(fake)
        self.topics, self.alarms, self.keys, self.routes = _Topics(fake), _Alarms(fake), _Keys(fake), _Routes(fake)


@dataclass
class _Part:
    fake: Fake


class _Stacks(_Part):
    def state(self, name: str) -> StackState:
        arn = f"arn:aws:cloudformation:us-east-1:111122223333:stack/{name}/1"
        fake = self.fake
        return StackState(name, arn, fake.status, "", fake.parameters, fake.outputs, fake.created)

    def resources(self, name: str) -> dict[str, Resource]:
        assert name == "lake"
        return self.fake.resources


class _Functions(_Part):
    def state(self, name: str) -> FunctionState:
        arn = f"arn:aws:lambda:us-east-1:111122223333:function:{name}"
        return FunctionState(name, arn, "python3.14", "Active", "", "Successful", ["arn:layer"], 900)

    def concurrency(self, name: str) -> int | None:
        assert name
        return None

    def mapping(self, uuid: str) -> MappingState:
        return MappingState(uuid, QUEUE, "lake-ingest", "Enabled", "", reports_failures=True)

    def account(self) -> Concurrency:
        return self.fake.concurrency

    def invoke(self, name: str, request: Document) -> Any:
        assert name == "lake-check"
        assert request["connections"] > 0
        return self.fake.answer


class _Queues(_Part):
    def state(self, url: str) -> QueueState:
        is_dead = url.endswith("-dead")
        waiting = 0 if is_dead else self.fake.waiting
        return QueueState(BURIED if is_dead else QUEUE, 5400, waiting, BURIED, self.fake.policy)

    def oldest(self, name: str) -> float | None:
        assert name == "lake-ingest"
        return self.fake.oldest


class _Buckets(_Part):
    def region(self, bucket: str) -> str:
        return self.fake.regions.get(bucket, "us-east-1")

    def notifications(self, bucket: str) -> Notifications:
        assert bucket == "drops"
        return self.fake.notifications

    def key(self, bucket: str) -> str:
        return self.fake.bucket_key if bucket == "results" else ""


class _Tables(_Part):
    def state(self, name: str) -> TableState:
        return TableState(name, "ACTIVE", {"by_time": "ACTIVE"})

    def due(self, name: str, task: str) -> float | None:
        assert (name, task) == ("jobs", "dead-letters")
        return self.fake.due


class _Rules(_Part):
    def of_target(self, arn: str) -> Sequence[Rule]:
        return self.fake.rules if arn == QUEUE or "reconcile" in arn else ()


class _Topics(_Part):
    def subscribers(self, topic: str) -> Sequence[tuple[str, str, bool]]:
        assert topic == TOPIC
        return self.fake.subscriptions


class _Alarms(_Part):
    def states(self, names: Sequence[str]) -> Sequence[Alarm]:
        assert names
        return self.fake.alarms


class _Keys(_Part):
    def state(self, key: str) -> str:
        return self.fake.keys[key]


class _Routes(_Part):
    def read(self) -> tuple[str, Routes]:
        if self.fake.routes_error:
            raise self.fake.routes_error
        return "routes.toml", parse_routes(self.fake.routes, "routes.toml", NAMES)
