"""The behaviour of MiniStack that Penstock relies on. A new version must pass these tests before its pin is raised."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from penstock_local.account import Account, emulator_only

MIB = 1024 * 1024
BUCKET = "what-is-relied-on"


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    with emulator_only() as account:
        s3 = account.client("s3")
        s3.create_bucket(Bucket=BUCKET)
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        yield account


@pytest.fixture
def s3(account: Account) -> Any:
    return account.client("s3")


def refusal(call: Any, *args: Any, **kwargs: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as caught:
        call(*args, **kwargs)
    answer = caught.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


def one_part_upload(s3: Any, key: str, body: bytes) -> dict[str, Any]:
    upload_id = s3.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"]
    part = s3.upload_part(Bucket=BUCKET, Key=key, UploadId=upload_id, PartNumber=1, Body=body)
    listed = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    return {"Bucket": BUCKET, "Key": key, "UploadId": upload_id, "MultipartUpload": listed}


def test_put_if_none_match_refuses_an_existing_object(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="put", Body=b"1", IfNoneMatch="*")
    assert refusal(s3.put_object, Bucket=BUCKET, Key="put", Body=b"2", IfNoneMatch="*") == ("PreconditionFailed", 412)


def test_put_if_match_replaces_only_that_object(s3: Any) -> None:
    etag = s3.put_object(Bucket=BUCKET, Key="match", Body=b"1")["ETag"]
    s3.put_object(Bucket=BUCKET, Key="match", Body=b"2", IfMatch=etag)
    assert refusal(s3.put_object, Bucket=BUCKET, Key="match", Body=b"3", IfMatch=etag) == ("PreconditionFailed", 412)
    assert refusal(s3.put_object, Bucket=BUCKET, Key="none", Body=b"3", IfMatch=etag) == ("NoSuchKey", 404)


def test_completion_if_none_match_refuses_an_existing_object_and_leaves_the_upload_open(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="done", Body=b"1")
    upload = one_part_upload(s3, "done", b"2")
    assert refusal(s3.complete_multipart_upload, **upload, IfNoneMatch="*") == ("PreconditionFailed", 412)
    open_uploads = s3.list_multipart_uploads(Bucket=BUCKET, Prefix="done")["Uploads"]
    assert [(found["Key"], found["UploadId"]) for found in open_uploads] == [("done", upload["UploadId"])]
    s3.abort_multipart_upload(Bucket=BUCKET, Key="done", UploadId=upload["UploadId"])


def test_completion_if_match_replaces_only_that_object(s3: Any) -> None:
    etag = s3.put_object(Bucket=BUCKET, Key="swap", Body=b"1")["ETag"]
    assert s3.complete_multipart_upload(**one_part_upload(s3, "swap", b"2"), IfMatch=etag)["VersionId"]
    late = one_part_upload(s3, "swap", b"3")
    assert refusal(s3.complete_multipart_upload, **late, IfMatch=etag) == ("PreconditionFailed", 412)
    s3.abort_multipart_upload(Bucket=BUCKET, Key="swap", UploadId=late["UploadId"])


def test_put_verifies_and_reports_a_declared_checksum(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="sum", Body=b"123456789", ChecksumCRC32="y/Q5Jg==")
    head = s3.head_object(Bucket=BUCKET, Key="sum", ChecksumMode="ENABLED")
    assert (head["ChecksumCRC32"], head["ChecksumType"]) == ("y/Q5Jg==", "FULL_OBJECT")
    wrong = {"Bucket": BUCKET, "Key": "sum", "Body": b"12345678", "ChecksumCRC32": "y/Q5Jg=="}
    assert refusal(s3.put_object, **wrong) == ("BadDigest", 400)


def test_uploads_are_listed_by_prefix(s3: Any) -> None:
    uploads = {
        key: s3.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"] for key in ("in/a", "in/b", "inner", "out")
    }
    listed = s3.list_multipart_uploads(Bucket=BUCKET, Prefix="in/")["Uploads"]
    assert {found["Key"]: found["UploadId"] for found in listed} == {key: uploads[key] for key in ("in/a", "in/b")}
    for key, upload_id in uploads.items():
        s3.abort_multipart_upload(Bucket=BUCKET, Key=key, UploadId=upload_id)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=BUCKET)


def test_a_part_for_an_aborted_upload_is_refused(s3: Any) -> None:
    upload_id = s3.create_multipart_upload(Bucket=BUCKET, Key="gone")["UploadId"]
    where = {"Bucket": BUCKET, "Key": "gone", "UploadId": upload_id}
    s3.abort_multipart_upload(**where)
    assert refusal(s3.upload_part, **where, PartNumber=1, Body=b"x") == ("NoSuchUpload", 404)


def test_a_read_pinned_by_etag_fails_once_the_object_is_replaced(s3: Any) -> None:
    etag = s3.put_object(Bucket=BUCKET, Key="pinned", Body=b"1")["ETag"]
    s3.put_object(Bucket=BUCKET, Key="pinned", Body=b"2")
    call = {"Bucket": BUCKET, "Key": "pinned", "IfMatch": etag, "Range": "bytes=0-0"}
    assert refusal(s3.get_object, **call) == ("PreconditionFailed", 412)


def test_a_deleted_version_is_not_found(s3: Any) -> None:
    version = s3.put_object(Bucket=BUCKET, Key="deleted", Body=b"1")["VersionId"]
    s3.delete_object(Bucket=BUCKET, Key="deleted", VersionId=version)
    call = {"Bucket": BUCKET, "Key": "deleted", "VersionId": version}
    assert refusal(s3.get_object, **call) == ("NoSuchVersion", 404)


@pytest.mark.parametrize("key", ["a b+c%d", "ünï/çødé.gz", "%2B", "x" * 1024, "a//b", "trailing/", "q?a=b&c#d"])
def test_any_key_is_kept_as_it_is(s3: Any, key: str) -> None:
    s3.put_object(Bucket=BUCKET, Key=key, Body=key.encode())
    assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == key.encode()
    assert [found["Key"] for found in s3.list_objects_v2(Bucket=BUCKET, Prefix=key)["Contents"]] == [key]


def test_a_missing_bucket_says_so(s3: Any) -> None:
    nowhere = {"Bucket": "no-such-bucket-here", "Key": "x"}
    assert refusal(s3.put_object, **nowhere, Body=b"") == ("NoSuchBucket", 404)
    assert refusal(s3.create_multipart_upload, **nowhere) == ("NoSuchBucket", 404)


def test_a_transaction_says_which_of_its_conditions_failed(account: Account) -> None:
    dynamodb = account.client("dynamodb")
    dynamodb.create_table(
        TableName="jobs",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    dynamodb.put_item(TableName="jobs", Item={"id": {"S": "a"}, "state": {"S": "running"}})
    absent = "attribute_not_exists(id)"
    puts: list[dict[str, Any]] = [
        {"Put": {"TableName": "jobs", "Item": {"id": {"S": "b"}}, "ConditionExpression": absent}},
        {
            "Put": {
                "TableName": "jobs", "Item": {"id": {"S": "a"}}, "ConditionExpression": absent,
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }
        },
    ]  # fmt: skip
    with pytest.raises(ClientError) as caught:
        dynamodb.transact_write_items(TransactItems=puts)
    answer: Any = caught.value.response
    reasons = answer["CancellationReasons"]
    assert [reason["Code"] for reason in reasons] == ["None", "ConditionalCheckFailed"]
    assert reasons[1]["Item"]["state"] == {"S": "running"}
    assert "Item" not in dynamodb.get_item(TableName="jobs", Key={"id": {"S": "b"}})
    with pytest.raises(ClientError) as caught:
        dynamodb.put_item(**puts[1]["Put"])
    answer = caught.value.response
    assert answer["Error"]["Code"] == "ConditionalCheckFailedException"
    assert answer["Item"]["state"] == {"S": "running"}


def test_a_postponed_message_is_hidden_and_a_spent_one_goes_to_the_dead_letters(account: Account) -> None:
    sqs = account.client("sqs")
    dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 2})
    queue = sqs.create_queue(QueueName="work", Attributes={"RedrivePolicy": redrive, "VisibilityTimeout": "60"})[
        "QueueUrl"
    ]
    sqs.send_message(QueueUrl=queue, MessageBody="hello")
    for seconds in (1, 0):
        message = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5)["Messages"][0]
        where = {"QueueUrl": queue, "ReceiptHandle": message["ReceiptHandle"]}
        sqs.change_message_visibility(**where, VisibilityTimeout=seconds)
        if seconds:
            assert "Messages" not in sqs.receive_message(QueueUrl=queue)
    assert "Messages" not in sqs.receive_message(QueueUrl=queue)
    assert sqs.receive_message(QueueUrl=dead, WaitTimeSeconds=5)["Messages"][0]["Body"] == "hello"


LAMBDA = {
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]
}
PROBE_SECONDS = """
import json, logging, os, sys, time
import boto3
from botocore.exceptions import ClientError

def handler(event, context):
    print(json.dumps({"printed": "to stdout"}))
    if event.get("sleep"):
        time.sleep(event["sleep"])
    refused = ""
    try:
        boto3.client("s3").put_object(Bucket=event["bucket"], Key=event["key"], Body=b"x")
    except ClientError as error:
        refused = error.response["Error"]["Code"]
    return {
        "refused": refused,
        "remaining": context.get_remaining_time_in_millis(),
        "pid": os.getpid(),
        "boto3": boto3.__version__,
        "python": sys.version_info[:2],
        "memory": context.memory_limit_in_mb,
    }
"""


@pytest.fixture(scope="module")
def probing(account: Account) -> str:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("app.py", PROBE_SECONDS)
    iam = account.client("iam")
    role = iam.create_role(RoleName="probing", AssumeRolePolicyDocument=json.dumps(LAMBDA))["Role"]["Arn"]
    allowed = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{BUCKET}/allowed/*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    iam.put_role_policy(RoleName="probing", PolicyName="put", PolicyDocument=policy)
    created = account.client("lambda").create_function(
        FunctionName="probing", Runtime="python3.11", Handler="app.handler", Role=role, Timeout=2, MemorySize=128,
        Code={"ZipFile": archive.getvalue()},
    )  # fmt: skip
    return str(created["FunctionArn"])


def invoke(account: Account, function: str, **event: Any) -> Any:
    answer = account.client("lambda").invoke(FunctionName=function, Payload=json.dumps(event))
    return json.loads(answer["Payload"].read())


def test_a_function_may_do_what_its_role_grants_and_nothing_else(account: Account, probing: str) -> None:
    assert invoke(account, probing, bucket=BUCKET, key="allowed/x")["refused"] == ""
    assert invoke(account, probing, bucket=BUCKET, key="elsewhere/x")["refused"] == "AccessDenied"


def test_a_function_that_takes_too_long_is_ended(account: Account, probing: str) -> None:
    before = invoke(account, probing, bucket=BUCKET, key="allowed/x")
    assert 0 < before["remaining"] <= 2000
    late = invoke(account, probing, bucket=BUCKET, key="allowed/late", sleep=3)
    assert late["errorType"] == "Sandbox.Timedout"
    assert invoke(account, probing, bucket=BUCKET, key="allowed/x")["pid"] != before["pid"]
    time.sleep(1.5)
    assert "Contents" not in account.client("s3").list_objects_v2(Bucket=BUCKET, Prefix="allowed/late")


NAMES_BAD_MESSAGES = """
def handler(event, context):
    bad = [one["messageId"] for one in event["Records"] if one["body"] == "bad"]
    return {"batchItemFailures": [{"itemIdentifier": name} for name in bad]}
"""


def test_only_the_failed_messages_of_a_batch_return_to_the_queue(account: Account, probing: str) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html"""
    sqs, functions, iam = (account.client(name) for name in ("sqs", "lambda", "iam"))
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("app.py", NAMES_BAD_MESSAGES)
    allowed = {"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    role = iam.create_role(RoleName="taker", AssumeRolePolicyDocument=json.dumps(LAMBDA))["Role"]["Arn"]
    iam.put_role_policy(RoleName="taker", PolicyName="take", PolicyDocument=policy)
    functions.create_function(
        FunctionName="taking", Runtime="python3.11", Handler="app.handler", Role=role, Timeout=2,
        Code={"ZipFile": archive.getvalue()},
    )  # fmt: skip
    letters = sqs.create_queue(QueueName="failed")["QueueUrl"]
    redrive = json.dumps({"deadLetterTargetArn": "arn:aws:sqs:us-east-1:000000000000:failed", "maxReceiveCount": 1})
    attributes = {"VisibilityTimeout": "2", "RedrivePolicy": redrive}
    url = sqs.create_queue(QueueName="taken", Attributes=attributes)["QueueUrl"]
    entries = [{"Id": body, "MessageBody": body} for body in ("good", "bad", "fine")]
    sqs.send_message_batch(QueueUrl=url, Entries=entries)
    functions.create_event_source_mapping(
        FunctionName="taking",
        EventSourceArn="arn:aws:sqs:us-east-1:000000000000:taken",
        FunctionResponseTypes=["ReportBatchItemFailures"],
    )
    found = sqs.receive_message(QueueUrl=letters, MaxNumberOfMessages=10, WaitTimeSeconds=20)["Messages"]
    assert [message["Body"] for message in found] == ["bad"]
    counts = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    left = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=counts)["Attributes"]
    assert set(left.values()) == {"0"}


def test_the_output_of_a_function_is_in_its_log_group(account: Account, probing: str) -> None:
    invoke(account, probing, bucket=BUCKET, key="allowed/x")
    events = account.client("logs").filter_log_events(logGroupName="/aws/lambda/probing")["events"]
    assert '{"printed": "to stdout"}' in {event["message"].strip() for event in events}
