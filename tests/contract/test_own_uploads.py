"""Uploads are found if one of the given roles initiated them, and if they are old enough."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from penstock.aws.s3.own_uploads import S3OwnUploads
from penstock.errors import RequestRefusedError
from penstock_local.account import Account, emulator_only

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}],
}
MAY_WRITE = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}],
}


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    with emulator_only() as account:
        account.client("s3").create_bucket(Bucket="results")
        for role in ("stack-ingest", "stack-ingest-2"):
            iam = account.client("iam")
            iam.create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps(TRUST))
            iam.put_role_policy(RoleName=role, PolicyName="write", PolicyDocument=json.dumps(MAY_WRITE))
        yield account


def as_role(account: Account, role: str) -> Any:
    arn = account.client("iam").get_role(RoleName=role)["Role"]["Arn"]
    found = account.client("sts").assume_role(RoleArn=arn, RoleSessionName="a-function")["Credentials"]
    return boto3.client(
        "s3",
        endpoint_url=account.endpoint,
        region_name=account.region,
        aws_access_key_id=found["AccessKeyId"],
        aws_secret_access_key=found["SecretAccessKey"],
        aws_session_token=found["SessionToken"],
    )


def test_uploads_of_the_roles_are_found_and_ended_and_no_others(account: Account) -> None:
    own = as_role(account, "stack-ingest").create_multipart_upload(Bucket="results", Key="own")["UploadId"]
    as_role(account, "stack-ingest-2").create_multipart_upload(Bucket="results", Key="of-another-stack")
    client = account.client("s3")
    client.create_multipart_upload(Bucket="results", Key="of-a-person")
    uploads = S3OwnUploads(client, ["results"], ["stack-ingest"])
    (found,) = uploads.older_than(-60)
    of_all = S3OwnUploads(client, ["results", "missing", "results"], ["stack-ingest"]).older_than(-60)
    assert [next(of_all).id, next(of_all).id] == [own, own]
    with pytest.raises(RequestRefusedError, match="missing"):
        next(of_all)
    assert (found.id, found.target.key) == (own, "own")
    assert list(uploads.older_than(3600)) == []
    uploads.end(found)
    uploads.end(found)
    assert list(uploads.older_than(-60)) == []
    assert len(client.list_multipart_uploads(Bucket="results")["Uploads"]) == 2
