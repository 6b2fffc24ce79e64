"""The patches of MiniStack, on the running emulator. Each name says how AWS behaves."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import time
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from botocore.exceptions import ClientError

from penstock_local.account import Account, emulator_only

MIB = 1024 * 1024
BUCKET = "contract-of-the-emulator"
PARTS = (b"a" * 5 * MIB, b"b" * 6 * MIB, b"the rest")
WHOLE = b"".join(PARTS)
ASSUMED_BY_LAMBDA = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": ["lambda.amazonaws.com", "states.amazonaws.com"]},
            "Action": "sts:AssumeRole",
        }
    ],
}
FAILING = b"""
class CorruptSourceError(Exception):
    pass

def deep(event):
    raise CorruptSourceError("bad bytes in " + event["key"])

def handler(event, context):
    if event.get("exit"):
        import os
        os._exit(3)
    deep(event)
"""


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    with emulator_only() as account:
        account.client("s3").create_bucket(Bucket=BUCKET)
        yield account


@pytest.fixture
def s3(account: Account) -> Any:
    return account.client("s3")


@pytest.fixture(scope="module")
def versioned(account: Account) -> Any:
    s3 = account.client("s3")
    s3.create_bucket(Bucket="versions")
    s3.put_bucket_versioning(Bucket="versions", VersioningConfiguration={"Status": "Enabled"})
    return s3


def crc32(data: bytes) -> str:
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


def upload_parts(s3: Any, key: str, numbered: dict[int, bytes], **create: str) -> tuple[str, list[dict[str, Any]]]:
    upload_id = s3.create_multipart_upload(Bucket=BUCKET, Key=key, **create)["UploadId"]
    done = []
    for number, body in numbered.items():
        answer = s3.upload_part(
            Bucket=BUCKET, Key=key, UploadId=upload_id, PartNumber=number, Body=body,
            **({"ChecksumAlgorithm": create["ChecksumAlgorithm"]} if "ChecksumAlgorithm" in create else {}),
        )  # fmt: skip
        checksums = {name: value for name, value in answer.items() if name.startswith("ChecksumCRC32")}
        done.append({"PartNumber": number, "ETag": answer["ETag"], **checksums})
    return upload_id, done


def complete(s3: Any, key: str, upload_id: str, parts: list[dict[str, Any]], **more: Any) -> Any:
    return s3.complete_multipart_upload(
        Bucket=BUCKET, Key=key, UploadId=upload_id, MultipartUpload={"Parts": parts}, **more
    )


def refusal(call: Any, *args: Any, **kwargs: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as caught:
        call(*args, **kwargs)
    answer = caught.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


WHOLE_CHECKSUM = {"ChecksumAlgorithm": "CRC32", "ChecksumType": "FULL_OBJECT"}


def test_a_right_full_object_checksum_is_kept_and_reported(s3: Any) -> None:
    upload_id, parts = upload_parts(s3, "whole", dict(enumerate(PARTS, 1)), **WHOLE_CHECKSUM)
    done = complete(
        s3, "whole", upload_id, parts, ChecksumCRC32=crc32(WHOLE), ChecksumType="FULL_OBJECT", MpuObjectSize=len(WHOLE)
    )
    assert (done["ChecksumCRC32"], done["ChecksumType"]) == (crc32(WHOLE), "FULL_OBJECT")
    head = s3.head_object(Bucket=BUCKET, Key="whole", ChecksumMode="ENABLED")
    assert (head["ChecksumCRC32"], head["ChecksumType"]) == (crc32(WHOLE), "FULL_OBJECT")
    attributes = s3.get_object_attributes(Bucket=BUCKET, Key="whole", ObjectAttributes=["Checksum"])["Checksum"]
    assert attributes == {"ChecksumCRC32": crc32(WHOLE), "ChecksumType": "FULL_OBJECT"}
    assert s3.get_object(Bucket=BUCKET, Key="whole", ChecksumMode="ENABLED")["Body"].read() == WHOLE


def test_a_wrong_full_object_checksum_is_a_bad_digest_and_nothing_appears(s3: Any) -> None:
    upload_id, parts = upload_parts(s3, "wrong", dict(enumerate(PARTS, 1)), **WHOLE_CHECKSUM)
    declared = {"ChecksumCRC32": crc32(b"other bytes"), "ChecksumType": "FULL_OBJECT"}
    assert refusal(complete, s3, "wrong", upload_id, parts, **declared) == ("BadDigest", 400)
    assert refusal(s3.head_object, Bucket=BUCKET, Key="wrong") == ("404", 404)
    s3.abort_multipart_upload(Bucket=BUCKET, Key="wrong", UploadId=upload_id)


def test_a_full_object_checksum_covers_an_upload_of_one_empty_part(s3: Any) -> None:
    upload_id, parts = upload_parts(s3, "nothing", {1: b""}, **WHOLE_CHECKSUM)
    complete(s3, "nothing", upload_id, parts, ChecksumCRC32=crc32(b""), ChecksumType="FULL_OBJECT")
    assert s3.head_object(Bucket=BUCKET, Key="nothing", ChecksumMode="ENABLED")["ChecksumCRC32"] == crc32(b"")


def test_a_full_object_checksum_belongs_to_one_version(versioned: Any) -> None:
    where, s3 = {"Bucket": "versions", "Key": "twice"}, versioned
    upload_id = s3.create_multipart_upload(**where, **WHOLE_CHECKSUM)["UploadId"]
    part = s3.upload_part(**where, UploadId=upload_id, PartNumber=1, Body=b"first", ChecksumAlgorithm="CRC32")
    listed = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"], "ChecksumCRC32": part["ChecksumCRC32"]}]}
    first = s3.complete_multipart_upload(**where, UploadId=upload_id, MultipartUpload=listed)
    s3.put_object(**where, Body=b"second")
    head = s3.head_object(**where, VersionId=first["VersionId"], ChecksumMode="ENABLED")
    assert (head["ChecksumCRC32"], head["ChecksumType"]) == (crc32(b"first"), "FULL_OBJECT")


def test_a_range_of_an_old_version_is_read(versioned: Any) -> None:
    where = {"Bucket": "versions", "Key": "ranges"}
    old = versioned.put_object(**where, Body=b"0123456789")["VersionId"]
    versioned.put_object(**where, Body=b"other")
    answer = versioned.get_object(**where, VersionId=old, Range="bytes=2-5", ChecksumMode="ENABLED")
    assert (answer["Body"].read(), answer["ContentRange"], answer["VersionId"]) == (b"2345", "bytes 2-5/10", old)
    assert versioned.get_object(**where, VersionId=old, Range="bytes=-3")["Body"].read() == b"789"
    assert refusal(versioned.get_object, **where, VersionId=old, Range="bytes=10-") == ("InvalidRange", 416)


def test_a_range_of_a_replaced_version_is_still_conditional(versioned: Any) -> None:
    where = {"Bucket": "versions", "Key": "conditional"}
    old = versioned.put_object(**where, Body=b"0123456789")
    call = {**where, "VersionId": old["VersionId"], "Range": "bytes=2-5"}
    assert versioned.get_object(**call, IfMatch=old["ETag"])["Body"].read() == b"2345"
    assert refusal(versioned.get_object, **call, IfMatch='"other"') == ("PreconditionFailed", 412)


def test_a_composite_checksum_stays_composite(s3: Any) -> None:
    upload_id, parts = upload_parts(s3, "composite", dict(enumerate(PARTS, 1)), ChecksumAlgorithm="CRC32")
    done = complete(s3, "composite", upload_id, parts)
    digest = crc32(b"".join(base64.b64decode(part["ChecksumCRC32"]) for part in parts))
    assert (done["ChecksumCRC32"], done["ChecksumType"]) == (f"{digest}-3", "COMPOSITE")
    head = s3.head_object(Bucket=BUCKET, Key="composite", ChecksumMode="ENABLED")
    assert (head["ChecksumCRC32"], head["ChecksumType"]) == (f"{digest}-3", "COMPOSITE")


@pytest.mark.parametrize(
    "create", [{"ChecksumAlgorithm": "SHA256", "ChecksumType": "FULL_OBJECT"}, {"ChecksumType": "FULL_OBJECT"}]
)
def test_a_full_object_checksum_needs_an_algorithm_that_can_be_combined(s3: Any, create: dict[str, str]) -> None:
    assert refusal(s3.create_multipart_upload, Bucket=BUCKET, Key="x", **create) == ("InvalidRequest", 400)


@pytest.mark.parametrize(
    "create",
    [
        {"ChecksumAlgorithm": "CRC32", "ChecksumType": "FULL_OBJECT"},
        {"ChecksumAlgorithm": "CRC32C", "ChecksumType": "FULL_OBJECT"},
        {"ChecksumAlgorithm": "CRC64NVME"},
    ],
)
def test_every_crc_can_be_of_the_full_object(s3: Any, create: dict[str, str]) -> None:
    begun = s3.create_multipart_upload(Bucket=BUCKET, Key="x", **create)
    assert begun["ChecksumType"] == "FULL_OBJECT"
    s3.abort_multipart_upload(Bucket=BUCKET, Key="x", UploadId=begun["UploadId"])


def test_a_part_with_a_wrong_checksum_is_a_bad_digest(s3: Any) -> None:
    upload_id = s3.create_multipart_upload(Bucket=BUCKET, Key="part", **WHOLE_CHECKSUM)["UploadId"]
    where = {"Bucket": BUCKET, "Key": "part", "UploadId": upload_id}
    call = {"PartNumber": 1, "Body": b"bytes", "ChecksumCRC32": crc32(b"others")}
    assert refusal(s3.upload_part, **where, **call) == ("BadDigest", 400)
    s3.abort_multipart_upload(**where)


def test_a_wrong_object_size_is_refused(s3: Any) -> None:
    upload_id, parts = upload_parts(s3, "size", {1: b"four"})
    assert refusal(complete, s3, "size", upload_id, parts, MpuObjectSize=5) == ("InvalidRequest", 400)
    s3.abort_multipart_upload(Bucket=BUCKET, Key="size", UploadId=upload_id)


def test_parts_out_of_order_are_refused(s3: Any) -> None:
    upload_id, parts = upload_parts(s3, "order", {1: PARTS[0], 2: b"end"})
    assert refusal(complete, s3, "order", upload_id, parts[::-1]) == ("InvalidPartOrder", 400)
    assert complete(s3, "order", upload_id, parts)["ETag"].endswith('-2"')


@pytest.mark.parametrize("numbers", [(1, 3), (2, 3)])
def test_parts_with_checksums_count_from_one_without_a_gap(s3: Any, numbers: tuple[int, int]) -> None:
    upload_id, parts = upload_parts(s3, "gap", dict(zip(numbers, PARTS, strict=False)), **WHOLE_CHECKSUM)
    assert refusal(complete, s3, "gap", upload_id, parts) == ("InvalidPartOrder", 400)
    s3.abort_multipart_upload(Bucket=BUCKET, Key="gap", UploadId=upload_id)


def test_parts_without_checksums_may_leave_gaps(account: Account) -> None:
    s3 = account.client("s3")
    upload_id, parts = upload_parts(s3, "holes", {2: PARTS[0], 7: b"end"})
    bare = [{"PartNumber": part["PartNumber"], "ETag": part["ETag"]} for part in parts]
    assert complete(s3, "holes", upload_id, bare)["ETag"].endswith('-2"')


def test_a_part_below_five_mebibytes_is_too_small_unless_it_is_the_last(s3: Any) -> None:
    upload_id, parts = upload_parts(s3, "small", {1: b"x" * 5_000_000, 2: b"end"})
    assert refusal(complete, s3, "small", upload_id, parts) == ("EntityTooSmall", 400)
    s3.abort_multipart_upload(Bucket=BUCKET, Key="small", UploadId=upload_id)


def test_the_etag_of_an_upload_is_the_hash_of_its_parts_hashes(s3: Any) -> None:
    upload_id, parts = upload_parts(s3, "etag", dict(enumerate(PARTS, 1)))
    digest = hashlib.md5(b"".join(hashlib.md5(part).digest() for part in PARTS)).hexdigest()
    assert complete(s3, "etag", upload_id, parts)["ETag"] == f'"{digest}-3"'


def test_a_repeated_completion_is_answered_like_the_first(s3: Any) -> None:
    upload_id, parts = upload_parts(s3, "again", {1: b"once"}, **WHOLE_CHECKSUM)
    answers = [complete(s3, "again", upload_id, parts, ChecksumCRC32=crc32(b"once")) for _ in range(2)]
    assert answers[0]["ETag"] == answers[1]["ETag"]
    assert answers[1]["ChecksumType"] == "FULL_OBJECT"


@pytest.fixture(scope="module")
def failing(account: Account) -> str:
    """The ARN of a function that raises its own class of error."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("app.py", FAILING)
    role = account.client("iam").create_role(RoleName="anyone", AssumeRolePolicyDocument=json.dumps(ASSUMED_BY_LAMBDA))
    created = account.client("lambda").create_function(
        FunctionName="failing", Runtime="python3.11", Handler="app.handler", Role=role["Role"]["Arn"], Timeout=5,
        Code={"ZipFile": archive.getvalue()},
    )  # fmt: skip
    return str(created["FunctionArn"])


def test_a_handlers_exception_arrives_as_its_class(account: Account, failing: str) -> None:
    answer = account.client("lambda").invoke(FunctionName=failing, Payload=json.dumps({"key": "a.gz"}))
    error = json.loads(answer["Payload"].read())
    assert answer["FunctionError"] == "Unhandled"
    assert (error["errorType"], error["errorMessage"]) == ("CorruptSourceError", "bad bytes in a.gz")
    assert [frame.partition(", in ")[2].split()[0] for frame in error["stackTrace"]] == ["handler", "deep"]
    assert error["requestId"]


def test_a_process_that_ends_in_mid_invocation_is_an_exit_error(account: Account, failing: str) -> None:
    answer = account.client("lambda").invoke(FunctionName=failing, Payload=json.dumps({"exit": True}))
    assert json.loads(answer["Payload"].read())["errorType"] == "Runtime.ExitError"


def test_a_process_that_ends_while_it_starts_is_an_exit_error(account: Account, failing: str) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("app.py", "import os; os._exit(3)")
    functions = account.client("lambda")
    functions.create_function(
        FunctionName="stillborn", Runtime="python3.11", Handler="app.handler", Timeout=5,
        Role=functions.get_function_configuration(FunctionName=failing)["Role"], Code={"ZipFile": archive.getvalue()},
    )  # fmt: skip
    answer = functions.invoke(FunctionName="stillborn", Payload=b"{}")
    assert json.loads(answer["Payload"].read())["errorType"] == "Runtime.ExitError"


def test_functions_find_their_layers_and_share_those_that_are_the_same(account: Account, failing: str) -> None:
    functions = account.client("lambda")
    role = functions.get_function_configuration(FunctionName=failing)["Role"]

    def zipped(name: str, text: str) -> bytes:
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr(name, text)
        return archive.getvalue()

    layers = [
        functions.publish_layer_version(LayerName=name, Content={"ZipFile": zipped(f"python/{name}.py", "NAME = 1")})
        for name in ("one", "other")
    ]
    found = []
    for name in ("first", "second"):
        code = "import os, one, other\nhandler = lambda *_: [os.path.realpath(one.__file__), other.NAME]"
        functions.create_function(
            FunctionName=name, Runtime="python3.11", Handler="app.handler", Timeout=5, Role=role,
            Code={"ZipFile": zipped("app.py", code)}, Layers=[layer["LayerVersionArn"] for layer in layers],
        )  # fmt: skip
        found.append(json.loads(functions.invoke(FunctionName=name, Payload=b"{}")["Payload"].read()))
    assert found[0] == found[1]
    assert found[0][1] == 1


def test_a_state_machine_catches_a_handlers_exception_by_its_class(account: Account, failing: str) -> None:
    states = account.client("stepfunctions")
    caught = {"ErrorEquals": ["CorruptSourceError"], "Next": "Caught"}
    definition = {
        "StartAt": "Work",
        "States": {
            "Work": {"Type": "Task", "Resource": failing, "Catch": [caught], "End": True},
            "Caught": {"Type": "Pass", "End": True},
        },
    }
    role = account.client("iam").create_role(RoleName="machine", AssumeRolePolicyDocument=json.dumps(ASSUMED_BY_LAMBDA))
    allowed = {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": failing}
    account.client("iam").put_role_policy(
        RoleName="machine",
        PolicyName="invoke",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allowed]}),
    )
    machine = states.create_state_machine(
        name="catching", definition=json.dumps(definition), roleArn=role["Role"]["Arn"], type="STANDARD"
    )
    execution = states.start_execution(stateMachineArn=machine["stateMachineArn"], input=json.dumps({"key": "a.gz"}))
    while (answer := states.describe_execution(executionArn=execution["executionArn"]))["status"] == "RUNNING":
        time.sleep(0.05)
    assert answer["status"] == "SUCCEEDED"
    assert json.loads(answer["output"])["Error"] == "CorruptSourceError"


def test_a_policy_that_demands_tls_lets_loopback_through(account: Account) -> None:
    s3, sqs = account.client("s3"), account.client("sqs")
    s3.create_bucket(Bucket="tls-only")
    tls_only = {"Effect": "Deny", "Principal": "*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
    bucket_policy = {"Statement": [{**tls_only, "Action": "s3:*", "Resource": "arn:aws:s3:::tls-only/*"}]}
    s3.put_bucket_policy(Bucket="tls-only", Policy=json.dumps(bucket_policy))
    s3.put_object(Bucket="tls-only", Key="x", Body=b"x")
    queue_policy = {"Statement": [{**tls_only, "Action": "sqs:*", "Resource": "*"}]}
    url = sqs.create_queue(QueueName="tls-only", Attributes={"Policy": json.dumps(queue_policy)})["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="x")


def test_a_mapping_obeys_a_concurrency_that_a_parameter_gives(account: Account) -> None:
    """Any role will do: the test only checks that the message is received."""
    role = {"AssumeRolePolicyDocument": ASSUMED_BY_LAMBDA}
    code = {"ZipFile": "def handler(event, context): pass"}
    function = {
        "Runtime": "python3.11",
        "Handler": "index.handler",
        "Code": code,
        "Role": {"Fn::GetAtt": ["Role", "Arn"]},
    }
    mapping = {
        "EventSourceArn": {"Fn::GetAtt": ["Queue", "Arn"]},
        "FunctionName": {"Ref": "Function"},
        "ScalingConfig": {"MaximumConcurrency": {"Ref": "Concurrency"}},
    }
    template = {
        "Parameters": {"Concurrency": {"Type": "Number", "Default": 2}},
        "Resources": {
            "Role": {"Type": "AWS::IAM::Role", "Properties": role},
            "Queue": {"Type": "AWS::SQS::Queue"},
            "Function": {"Type": "AWS::Lambda::Function", "Properties": function},
            "Mapping": {"Type": "AWS::Lambda::EventSourceMapping", "Properties": mapping},
        },
        "Outputs": {"Url": {"Value": {"Ref": "Queue"}}},
    }
    cloudformation, sqs = account.client("cloudformation"), account.client("sqs")
    cloudformation.create_stack(StackName="mapped", TemplateBody=json.dumps(template), Capabilities=["CAPABILITY_IAM"])
    cloudformation.get_waiter("stack_create_complete").wait(StackName="mapped", WaiterConfig={"Delay": 1})
    url = cloudformation.describe_stacks(StackName="mapped")["Stacks"][0]["Outputs"][0]["OutputValue"]
    sqs.send_message(QueueUrl=url, MessageBody="take me")
    counts = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    deadline = time.monotonic() + 30
    while set(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=counts)["Attributes"].values()) != {"0"}:
        assert time.monotonic() < deadline, "nobody took the message"
        time.sleep(0.1)


def test_a_copy_onto_an_existing_key_is_refused_under_if_none_match(s3: Any) -> None:
    for key in ("copied-from", "copied-to"):
        s3.put_object(Bucket=BUCKET, Key=key, Body=key.encode())
    given = {"Bucket": BUCKET, "CopySource": {"Bucket": BUCKET, "Key": "copied-from"}}
    with pytest.raises(ClientError) as refused:
        s3.copy_object(**given, Key="copied-to", IfNoneMatch="*")
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 412
    assert s3.get_object(Bucket=BUCKET, Key="copied-to")["Body"].read() == b"copied-to"
    s3.copy_object(**given, Key="copied-new", IfNoneMatch="*")
    assert s3.get_object(Bucket=BUCKET, Key="copied-new")["Body"].read() == b"copied-from"


def test_an_upload_in_parts_has_the_tags_it_was_created_with(s3: Any) -> None:
    where = {"Bucket": BUCKET, "Key": "tagged-parts"}
    where["UploadId"] = s3.create_multipart_upload(**where, Tagging="a=1&b=x%2Fy")["UploadId"]
    part = s3.upload_part(**where, PartNumber=1, Body=b"data")
    s3.complete_multipart_upload(**where, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
    tags = s3.get_object_tagging(Bucket=BUCKET, Key="tagged-parts")["TagSet"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {"a": "1", "b": "x/y"}


def test_conditions_split_and_join_parameters(account: Account) -> None:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference-conditions.html"""
    template = {
        "Parameters": {"Arn": {"Type": "String"}, "List": {"Type": "CommaDelimitedList", "Default": ""}},
        "Conditions": {
            "IsArn": {"Fn::Equals": [{"Fn::Select": [0, {"Fn::Split": [":", {"Ref": "Arn"}]}]}, "arn"]},
            "IsEmpty": {"Fn::Equals": [{"Fn::Join": ["", {"Ref": "List"}]}, ""]},
        },
        "Resources": {"Queue": {"Type": "AWS::SQS::Queue"}},
        "Outputs": {name: {"Condition": name, "Value": "yes"} for name in ("IsArn", "IsEmpty")},
    }
    stacks = account.client("cloudformation")
    for number, (arn, items, expected) in enumerate(
        [("arn:aws:sqs", "", ["IsArn", "IsEmpty"]), ("", "a,b", []), ("glue", "", ["IsEmpty"])]
    ):
        given = [{"ParameterKey": "Arn", "ParameterValue": arn}, {"ParameterKey": "List", "ParameterValue": items}]
        stacks.create_stack(StackName=f"s{number}", TemplateBody=json.dumps(template), Parameters=given)
        stacks.get_waiter("stack_create_complete").wait(StackName=f"s{number}", WaiterConfig={"Delay": 1})
        outputs = stacks.describe_stacks(StackName=f"s{number}")["Stacks"][0].get("Outputs", [])
        assert sorted(output["OutputKey"] for output in outputs) == expected


COUNTING = "handler = lambda event, _: print('BATCH', len(event['Records']), flush=True)"


def test_a_mapping_gathers_messages_for_its_batching_window(account: Account, failing: str) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html"""
    functions, queues = account.client("lambda"), account.client("sqs")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("app.py", COUNTING)
    iam = account.client("iam")
    role = iam.create_role(RoleName="gatherer", AssumeRolePolicyDocument=json.dumps(ASSUMED_BY_LAMBDA))["Role"]["Arn"]
    allowed = {"Effect": "Allow", "Action": ["sqs:*", "logs:*"], "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    iam.put_role_policy(RoleName="gatherer", PolicyName="all", PolicyDocument=document)
    functions.create_function(
        FunctionName="gathering", Runtime="python3.11", Handler="app.handler", Timeout=5, Role=role,
        Code={"ZipFile": archive.getvalue()},
    )  # fmt: skip
    url = queues.create_queue(QueueName="gathered")["QueueUrl"]
    arn = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    mapping = {"FunctionName": "gathering", "EventSourceArn": arn, "BatchSize": 1000}
    functions.create_event_source_mapping(**mapping, MaximumBatchingWindowInSeconds=2)
    for start in range(0, 24, 8):  # more than the 10 of one request to the queue
        entries = [{"Id": str(number), "MessageBody": "x"} for number in range(start, start + 8)]
        queues.send_message_batch(QueueUrl=url, Entries=entries)
        time.sleep(0.2)
    deadline = time.monotonic() + 20
    found: list[str] = []
    while not found and time.monotonic() < deadline:
        with suppress(ClientError):  # there is no log before the first invocation
            events = account.client("logs").filter_log_events(logGroupName="/aws/lambda/gathering")["events"]
            found = [event["message"].split()[1] for event in events if event["message"].startswith("BATCH")]
        time.sleep(0.2)
    assert found == ["24"]
