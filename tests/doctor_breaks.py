"""What can break in a stack, one thing each, and how a remedy in words is followed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from doctor_plant import ALARMS, ARCHIVES, DROPS, LOADER, ROUTES, Change, Plant, await_true
from penstock.doctor.finding import Level
from penstock_local.deploy import STACK_NAME

FAILED, WARNING = Level.FAILED, Level.WARNING


@dataclass(frozen=True)
class Break:
    """``line`` is the beginning of the line that turns to ``level``. ``follow`` does what a remedy in words says;
    without it, the commands of the remedy are run as they are printed."""

    group: str
    line: str
    do: Change
    follow: Change | None = None
    level: Level = FAILED
    slow: bool = False


def _queue(**attributes: str) -> Change:
    return lambda plant: plant.client("sqs").set_queue_attributes(QueueUrl=plant.stack.queue_url, Attributes=attributes)


def _lambda(method: str, **parameters: object) -> Callable[[str], Change]:
    return lambda verb: (
        lambda plant: getattr(plant.client("lambda"), method)(FunctionName=f"{STACK_NAME}-{verb}", **parameters)
    )


def _mapping(**settings: object) -> Change:
    return lambda plant: plant.client("lambda").update_event_source_mapping(UUID=plant.mapping(), **settings)


def _lose_right(plant: Plant) -> None:
    document = plant.role_policy("PlanRole", "plan")
    document["Statement"] = [one for one in document["Statement"] if one["Sid"] != "KeepWorkFiles"]
    plant.put_role_policy("PlanRole", "plan", document)


def _detach(plant: Plant) -> None:
    plant.client("iam").detach_role_policy(RoleName=plant.names["WorkRole"], PolicyArn=plant.names["FunctionPolicy"])


def _weaken(plant: Plant) -> None:
    document = {"Version": "2012-10-17", "Statement": [_allow("xray:PutTraceSegments", "*")]}
    plant.client("iam").create_policy_version(
        PolicyArn=plant.names["FunctionPolicy"], PolicyDocument=json.dumps(document), SetAsDefault=True
    )


def _allow(action: str, resource: str, effect: str = "Allow") -> dict[str, str]:
    return {"Effect": effect, "Action": action, "Resource": resource}


def _deny_by_policy(plant: Plant) -> None:
    document = {"Version": "2012-10-17", "Statement": [_allow("states:*", "*", "Deny")]}
    plant.put_role_policy("IngestRole", "deny", document)


def _allow_by_policy(plant: Plant) -> None:
    plant.client("iam").delete_role_policy(RoleName=plant.names["IngestRole"], PolicyName="deny")


def _bound(plant: Plant) -> None:
    statements = [_allow("*", "*"), _allow("s3:*", "*", "Deny")]
    made = plant.client("iam").create_policy(
        PolicyName="doctor-boundary",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statements}),
    )
    plant.client("iam").put_role_permissions_boundary(
        RoleName=plant.names["FinishRole"], PermissionsBoundary=made["Policy"]["Arn"]
    )


def _widen_boundary(plant: Plant) -> None:
    arn = f"arn:aws:iam::{plant.names['account']}:policy/doctor-boundary"
    document = {"Version": "2012-10-17", "Statement": [_allow("*", "*")]}
    plant.client("iam").create_policy_version(PolicyArn=arn, PolicyDocument=json.dumps(document), SetAsDefault=True)


def _forbid(action: str, bucket: str) -> Change:
    def do(plant: Plant) -> None:
        name = plant.names[bucket]
        before = json.loads(plant.client("s3").get_bucket_policy(Bucket=name)["Policy"])
        deny = {
            "Sid": "Doctor",
            "Effect": "Deny",
            "Principal": "*",
            "Action": action,
            "Resource": [f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*"],
        }
        _put_policy(plant, name, {**before, "Statement": [*before["Statement"], deny]})

    return do


def _permit(bucket: str) -> Change:
    def follow(plant: Plant) -> None:
        name = plant.names[bucket]
        policy = json.loads(plant.client("s3").get_bucket_policy(Bucket=name)["Policy"])
        kept = [one for one in policy["Statement"] if one.get("Sid") != "Doctor"]
        _put_policy(plant, name, {**policy, "Statement": kept})

    return follow


def _put_policy(plant: Plant, bucket: str, policy: object) -> None:
    plant.client("s3").put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))


def _routes(old: str, new: str) -> Change:
    return lambda plant: plant.write_routes(ROUTES.replace(old, new))


def _restore_routes(plant: Plant) -> None:
    plant.write_routes(ROUTES)


def _lose_queue_policy(plant: Plant) -> None:
    attributes = plant.client("sqs").get_queue_attributes(QueueUrl=plant.stack.queue_url, AttributeNames=["Policy"])
    policy = json.loads(attributes["Attributes"]["Policy"])
    kept = [one for one in policy["Statement"] if one.get("Sid") != "SourceBucketsNotify"]
    _queue(Policy=json.dumps({**policy, "Statement": kept}))(plant)


def _reserve(plant: Plant) -> None:
    total = plant.client("lambda").get_account_settings()["AccountLimit"]["ConcurrentExecutions"]
    _lambda("put_function_concurrency", ReservedConcurrentExecutions=total - 2)("abort")(plant)


def _unsubscribe(plant: Plant) -> None:
    sns = plant.client("sns")
    for one in sns.list_subscriptions_by_topic(TopicArn=ALARMS)["Subscriptions"]:
        sns.unsubscribe(SubscriptionArn=one["SubscriptionArn"])


def subscribe(plant: Plant) -> None:
    """Subscribe a queue to the topic of the alarms: a person would confirm by mail."""
    queue = plant.client("sqs").create_queue(QueueName="doctor-reader")["QueueUrl"]
    arn = f"arn:aws:sqs:us-east-1:{plant.names['account']}:{queue.rpartition('/')[2]}"
    plant.client("sns").subscribe(TopicArn=ALARMS, Protocol="sqs", Endpoint=arn)


def _bury(plant: Plant) -> None:
    plant.client("sqs").send_message(QueueUrl=plant.stack.dead_letter_queue_url, MessageBody="{}")


def _dig_out(plant: Plant) -> None:
    plant.client("sqs").purge_queue(QueueUrl=plant.stack.dead_letter_queue_url)


def _sleep_reconciler(plant: Plant) -> None:
    _rule(plant, "disable_rule")
    plant.client("dynamodb").put_item(
        TableName=plant.stack.jobs_table,
        Item={"pk": {"S": "task#dead-letters"}, "due_at": {"N": "1000"}, "since": {"N": "1000"}},
    )


def _run_reconciler(plant: Plant) -> None:
    _rule(plant, "enable_rule")
    plant.client("lambda").invoke(FunctionName=f"{STACK_NAME}-reconcile", Payload=b"{}")


def _rule(plant: Plant, method: str) -> None:
    getattr(plant.client("events"), method)(Name=plant.names["ReconcileFunctionEveryMinute"])


def _drop_index(plant: Plant) -> None:
    plant.client("dynamodb").update_table(
        TableName=plant.stack.jobs_table, GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": "by_time"}}]
    )


def _expire_nothing(plant: Plant) -> None:
    plant.client("dynamodb").update_time_to_live(
        TableName=plant.stack.jobs_table,
        TimeToLiveSpecification={"Enabled": False, "AttributeName": "expires_at"},
    )


def _s3(method: str, bucket: str, **parameters: object) -> Change:
    return lambda plant: getattr(plant.client("s3"), method)(Bucket=plant.names.get(bucket, bucket), **parameters)


def _put_key(plant: Plant) -> None:
    key = plant.client("kms").create_key()["KeyMetadata"]["Arn"]
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    _s3(
        "put_bucket_encryption",
        "DestinationBucket",
        ServerSideEncryptionConfiguration={"Rules": [{"ApplyServerSideEncryptionByDefault": default}]},
    )(plant)


def _drop_secret(plant: Plant) -> None:
    plant.client("secretsmanager").delete_secret(SecretId=ARCHIVES, ForceDeleteWithoutRecovery=True)


def put_secret(plant: Plant) -> None:
    """Store the password that the routes name."""
    plant.client("secretsmanager").create_secret(Name=ARCHIVES, SecretString="opensesame")


def connect(plant: Plant) -> None:
    """Make the existing bucket, and connect it."""
    plant.client("s3").create_bucket(Bucket=DROPS)
    plant.run(f"penstock connect s3://{DROPS} --stack {STACK_NAME} --apply")


def _drop_machine(plant: Plant) -> None:
    plant.client("stepfunctions").delete_state_machine(stateMachineArn=plant.stack.state_machine)
    await_true(lambda: plant.stack.state_machine not in _machines(plant))


def _make_machine(plant: Plant) -> None:
    """As a deployment does that makes it anew."""
    plant.client("stepfunctions").create_state_machine(
        name=plant.stack.state_machine.rpartition(":")[2],
        definition='{"StartAt": "End", "States": {"End": {"Type": "Succeed"}}}',
        roleArn=f"arn:aws:iam::{plant.names['account']}:role/{plant.names['StateMachineRole']}",
    )


def _machines(plant: Plant) -> list[str]:
    return [one["stateMachineArn"] for one in plant.client("stepfunctions").list_state_machines()["stateMachines"]]


def _sql(statement: str) -> Change:
    return lambda plant: plant.sql(statement)


_SUSPENDED = {"Status": "Suspended"}
BREAKS = {
    "the visibility timeout is shorter than the function's": Break(
        "queue", "visibility timeout", _queue(VisibilityTimeout="30"), slow=True
    ),
    "the queue has no dead-letter queue": Break("queue", "dead-letter queue", _queue(RedrivePolicy=""), slow=True),
    "an event has failed for good": Break("queue", "dead letters", _bury, _dig_out, WARNING, slow=True),
    "nothing polls the queue": Break("stack", "event source IngestFunctionUploads", _mapping(Enabled=False)),
    "one failed message repeats its batch": Break(
        "stack", "event source IngestFunctionUploads, failures", _mapping(FunctionResponseTypes=[]), slow=True
    ),
    "a function is stopped": Break(
        "stack",
        "function penstock-local-plan",
        _lambda("put_function_concurrency", ReservedConcurrentExecutions=0)("plan"),
    ),
    "a function has lost its layer": Break(
        "stack", "function penstock-local-work", _lambda("update_function_configuration", Layers=[])("work"), slow=True
    ),
    "a function has another runtime": Break(
        "stack",
        "function penstock-local-index",
        _lambda("update_function_configuration", Runtime="python3.9")("index"),
        slow=True,
    ),
    "the jobs table has no index": Break("jobs", "table", _drop_index, slow=True),
    "records never expire": Break("jobs", "expiry", _expire_nothing),
    "the reconciler is not called": Break(
        "jobs", "reconciler's schedule", lambda plant: _rule(plant, "disable_rule"), slow=True
    ),
    "the reconciler has not run": Break("jobs", "reconciler's last run", _sleep_reconciler, _run_reconciler),
    "the source bucket notifies nobody": Break(
        "buckets",
        "events of penstock-local-source",
        _s3("put_bucket_notification_configuration", "SourceBucket", NotificationConfiguration={}),
        slow=True,
    ),
    "an existing bucket notifies nobody": Break(
        "buckets",
        f"events of {DROPS}",
        _s3("put_bucket_notification_configuration", DROPS, NotificationConfiguration={}),
    ),
    "the queue refuses the source bucket": Break(
        "buckets", "queue policy for penstock-local-source", _lose_queue_policy
    ),
    "the source bucket keeps no versions": Break(
        "buckets",
        "versions of penstock-local-source",
        _s3("put_bucket_versioning", "SourceBucket", VersioningConfiguration=_SUSPENDED),
        level=WARNING,
        slow=True,
    ),
    "unfinished uploads stay": Break(
        "buckets",
        "unfinished uploads in penstock-local-destination",
        _s3("delete_bucket_lifecycle", "DestinationBucket"),
        level=WARNING,
        slow=True,
    ),
    "a bucket has a key that the functions may not use": Break(
        "buckets",
        "encryption of penstock-local-destination",
        _put_key,
        _s3("delete_bucket_encryption", "DestinationBucket"),
        slow=True,
    ),
    "an existing bucket is gone": Break("buckets", f"bucket {DROPS}", _s3("delete_bucket", DROPS), connect, slow=True),
    "a role has lost a right": Break("rights", "role PlanRole", _lose_right),
    "a role has lost a shared policy": Break("rights", "role WorkRole", _detach, slow=True),
    "a shared policy was changed": Break("rights", "role IndexRole", _weaken, slow=True),
    "a policy of the role denies": Break("rights", "role IngestRole", _deny_by_policy, _allow_by_policy, slow=True),
    "a permissions boundary denies": Break("rights", "role FinishRole", _bound, _widen_boundary, slow=True),
    "the destination denies writing": Break(
        "inside",
        "write penstock-local-destination",
        _forbid("s3:PutObject", "DestinationBucket"),
        _permit("DestinationBucket"),
    ),
    "the source denies reading": Break(
        "inside",
        "read penstock-local-source",
        _forbid("s3:ListBucket", "SourceBucket"),
        _permit("SourceBucket"),
        slow=True,
    ),
    "a secret is gone": Break("inside", f"secret {ARCHIVES}", _drop_secret, put_secret, slow=True),
    "a route is not valid": Break("routes", "file", _routes('match = ["*.zip"]', ""), _restore_routes),
    "a route leads to a foreign bucket": Break(
        "routes", "route decompress", _routes("s3://{destination_bucket}/", "s3://not-ours/"), _restore_routes
    ),
    "a route leads to a foreign table": Break(
        "routes", "route items", _routes("dynamodb:{records_table}", "dynamodb:not-ours"), _restore_routes, slow=True
    ),
    "a route gets no key": Break(
        "routes",
        "route decompress",
        _routes('match = ["orders/*"]', 'match = ["*"]'),
        _restore_routes,
        WARNING,
        slow=True,
    ),
    "the role of the database lacks a right": Break(
        "database", "rights on public.orders", _sql(f"REVOKE INSERT ON orders FROM {LOADER}")
    ),
    "the database has too few connections": Break(
        "database",
        "database connections",
        _sql(f"ALTER ROLE {LOADER} CONNECTION LIMIT 3"),
        _sql(f"ALTER ROLE {LOADER} CONNECTION LIMIT -1"),
        slow=True,
    ),
    "the table of a route is gone": Break(
        "database",
        "table orders",
        _sql("ALTER TABLE orders RENAME TO put_away"),
        _sql("ALTER TABLE put_away RENAME TO orders"),
        slow=True,
    ),
    "the account's concurrency is used up": Break(
        "quotas", "Lambda concurrency", _reserve, _lambda("delete_function_concurrency")("abort")
    ),
    "an alarm notifies nobody": Break(
        "alarms",
        "alarm penstock-local-BacklogAlarm",
        lambda plant: plant.client("cloudwatch").disable_alarm_actions(AlarmNames=[plant.names["BacklogAlarm"]]),
        slow=True,
    ),
    "a rule is disabled": Break(
        "stack",
        f"rule {STACK_NAME}-AbortFunctionEnded",
        lambda plant: plant.client("events").disable_rule(Name=plant.names["AbortFunctionEnded"]),
        slow=True,
    ),
    "a route moves what the stack may not move": Break(
        "routes",
        "route decompress, after",
        _routes('match = ["*.gz"]', 'match = ["*.gz"]\nafter = { success = "move:done/" }'),
        _restore_routes,
        slow=True,
    ),
    "the state machine is gone": Break("stack", "state machine", _drop_machine, _make_machine, slow=True),
    "nobody hears of alarms": Break("alarms", "alarms' topic", _unsubscribe, subscribe),
}
