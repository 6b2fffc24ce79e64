"""Glue and S3 Tables of the emulator: rights, conflicts of commits, and files of tables, as AWS has them."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from botocore.httpsession import URLLib3Session

from contract.object_backends import BUDGET, Endpoint
from contract.test_emulator_access import under
from penstock.destinations.parquet.s3_files import S3Files
from penstock.model.data_file import DataFile
from penstock.model.upload import Proof
from penstock_local.account import Account, emulator_only

GLUE = "arn:aws:glue:us-east-1:000000000000"
CATALOG, DATABASE, TABLE = f"{GLUE}:catalog", f"{GLUE}:database/sales", f"{GLUE}:table/sales/orders"
FIELDS = [{"id": 1, "name": "id", "type": "long", "required": False}]
SCHEMA = {"type": "struct", "schema-id": 0, "fields": FIELDS}


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    with emulator_only() as account:
        glue = account.client("glue")
        glue.create_database(DatabaseInput={"Name": "sales"})
        glue.create_table(DatabaseName="sales", TableInput={"Name": "orders", "Parameters": {"n": "1"}})
        yield account


@pytest.fixture(scope="module")
def bucket(account: Account) -> str:
    """A table bucket with a namespace and a table."""
    tables = account.client("s3tables")
    arn = str(tables.create_table_bucket(name="lake")["arn"])
    tables.create_namespace(tableBucketARN=arn, namespace=["sales"])
    status, _ = ask(account, arn, "POST", "namespaces/sales/tables", {"name": "orders", "schema": SCHEMA})
    assert status == 200
    return arn


def ask(
    account: Account, bucket: str, method: str, path: str, body: Any = None, *, client: Any = None
) -> tuple[int, Any]:
    """Send a request to the REST endpoint, signed for S3 Tables. ``client`` has the credentials of a role."""
    url = f"{account.endpoint}/iceberg/v1/{quote(bucket, safe='')}/{path}"
    request = AWSRequest(method, url, data=json.dumps(body).encode() if body is not None else None)
    credentials = client._request_signer._credentials if client else Credentials("test", "test")
    SigV4Auth(credentials, "s3tables", account.region).add_auth(request)
    answer = URLLib3Session(proxies={}).send(request.prepare())
    return answer.status_code, json.loads(answer.content or b"{}")


def refusal(call: Any, **arguments: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    answer = caught.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


NAMED = {"DatabaseName": "sales", "Name": "orders"}


def test_a_table_of_glue_needs_rights_to_catalog_and_database_too(account: Account) -> None:
    """https://docs.aws.amazon.com/glue/latest/dg/glue-specifying-resource-arns.html"""
    levels = [("glue:GetTable", arn) for arn in (CATALOG, DATABASE, TABLE)]
    reader = under(account, "glue-reader", *levels, service="glue")
    assert reader.get_table(**NAMED)["Table"]["Name"] == "orders"
    changed = {"DatabaseName": "sales", "TableInput": {"Name": "orders"}}
    assert refusal(reader.update_table, **changed)[0] == "AccessDeniedException"
    assert refusal(reader.get_database, Name="sales")[0] == "AccessDeniedException"
    for number in range(3):
        some = under(
            account, f"glue-lacking-{number}", *(one for one in levels if one is not levels[number]), service="glue"
        )
        assert refusal(some.get_table, **NAMED)[0] == "AccessDeniedException"


def test_an_update_of_a_glue_table_at_an_old_version_is_refused(account: Account) -> None:
    """https://docs.aws.amazon.com/glue/latest/dg/aws-glue-api-catalog-tables.html"""
    glue = account.client("glue")
    version = glue.get_table(**NAMED)["Table"]["VersionId"]
    change = {"DatabaseName": "sales", "SkipArchive": True, "VersionId": version}
    glue.update_table(**change, TableInput={"Name": "orders", "Parameters": {"n": "2"}})
    late = {**change, "TableInput": {"Name": "orders", "Parameters": {"n": "3"}}}
    assert refusal(glue.update_table, **late) == ("ConcurrentModificationException", 400)
    found = glue.get_table(**NAMED)["Table"]
    assert (found["Parameters"], found["VersionId"] != version) == ({"n": "2"}, True)


def test_names_that_glue_lacks_or_has_are_told(account: Account) -> None:
    glue = account.client("glue")
    assert refusal(glue.get_table, DatabaseName="sales", Name="none") == ("EntityNotFoundException", 400)
    assert refusal(glue.get_database, Name="none") == ("EntityNotFoundException", 400)
    again = {"DatabaseName": "sales", "TableInput": {"Name": "orders"}}
    assert refusal(glue.create_table, **again) == ("AlreadyExistsException", 400)


def snapshot(number: int) -> dict[str, Any]:
    return {
        "snapshot-id": number, "sequence-number": number, "timestamp-ms": 1, "manifest-list": "s3://lake/sales/orders/a",
        "summary": {"operation": "append"},
    }  # fmt: skip


def commit(number: int, base: int | None) -> dict[str, Any]:
    return {
        "requirements": [{"type": "assert-ref-snapshot-id", "ref": "main", "snapshot-id": base}],
        "updates": [
            {"action": "add-snapshot", "snapshot": snapshot(number)},
            {"action": "set-snapshot-ref", "ref-name": "main", "type": "branch", "snapshot-id": number},
        ],
    }


def test_a_commit_on_an_old_snapshot_fails_and_changes_nothing(account: Account, bucket: str) -> None:
    """https://github.com/apache/iceberg/blob/main/open-api/rest-catalog-open-api.yaml"""
    path = "namespaces/sales/tables/orders"
    assert ask(account, bucket, "POST", path, commit(1, None))[0] == 200
    status, answer = ask(account, bucket, "POST", path, commit(2, None))
    assert (status, answer["error"]["type"]) == (409, "CommitFailedException")
    assert ask(account, bucket, "GET", path)[1]["metadata"]["current-snapshot-id"] == 1
    assert ask(account, bucket, "GET", "namespaces/sales/tables/none")[0] == 404
    assert ask(account, bucket, "POST", "namespaces/sales/tables", {"name": "orders", "schema": SCHEMA})[0] == 409


READING = ("s3tables:GetTableData", "s3tables:GetTableMetadataLocation")
EMPTY: dict[str, Any] = {"requirements": [], "updates": []}
CHANGING = ("s3tables:PutTableData", "s3tables:UpdateTableMetadataLocation")


def test_each_call_of_the_rest_endpoint_needs_the_rights_that_aws_lists(account: Account, bucket: str) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-tables-integrating-open-source.html"""
    of_tables = f"{bucket}/table/*"
    reader = under(account, "table-reader", *((action, of_tables) for action in READING), service="s3tables")
    path, new = "namespaces/sales/tables/orders", {"name": "new", "schema": SCHEMA}
    assert ask(account, bucket, "GET", path, client=reader)[0] == 200
    assert ask(account, bucket, "POST", path, EMPTY, client=reader)[0] == 403
    rights = [*((action, of_tables) for action in (*READING, *CHANGING)), ("s3tables:CreateTable", bucket)]
    writer = under(account, "table-writer", *rights, service="s3tables")
    assert ask(account, bucket, "POST", path, EMPTY, client=writer)[0] == 200
    assert ask(account, bucket, "POST", "namespaces/sales/tables", new, client=reader)[0] == 403
    assert ask(account, bucket, "POST", "namespaces/sales/tables", new, client=writer)[0] == 200
    assert ask(account, bucket, "DELETE", "namespaces/sales/tables/new", client=writer)[0] == 403
    stranger = under(account, "no-tables", ("s3:GetObject", "*"), service="s3tables")
    assert ask(account, bucket, "GET", path, client=stranger)[0] == 403


def test_files_of_tables_need_rights_to_the_table_and_cannot_be_deleted(account: Account, bucket: str) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/developing-s3-tables-APIs.html"""
    file = {"Bucket": "lake", "Key": "sales/orders/data/a.parquet"}
    everything = under(
        account, "all-of-s3", *((f"s3:{one}", "*") for one in ("GetObject", "PutObject", "DeleteObject"))
    )
    assert refusal(everything.put_object, **file, Body=b"x") == ("AccessDenied", 403)
    writer = under(account, "file-writer", ("s3tables:PutTableData", f"{bucket}/table/*"))
    writer.put_object(**file, Body=b"x")
    upload = writer.create_multipart_upload(**file)["UploadId"]
    writer.upload_part(**file, UploadId=upload, PartNumber=1, Body=io.BytesIO(b"x"))
    writer.abort_multipart_upload(**file, UploadId=upload)
    assert refusal(writer.get_object, **file) == ("AccessDenied", 403)
    reader = under(account, "file-reader", ("s3tables:GetTableData", f"{bucket}/table/*"))
    assert reader.get_object(**file)["Body"].read() == b"x"
    assert refusal(reader.put_object, **file, Body=b"y") == ("AccessDenied", 403)
    whole = {"ChecksumAlgorithm": "CRC32", "ChecksumType": "FULL_OBJECT"}
    assert refusal(writer.create_multipart_upload, **file, **whole) == ("NotImplemented", 501)
    assert refusal(writer.create_multipart_upload, **file, Metadata={"a": "b"}) == ("NotImplemented", 501)
    assert refusal(everything.delete_object, **file) == ("AccessDenied", 403)
    assert refusal(account.client("s3").delete_object, **file) == ("MethodNotAllowed", 405)


def test_a_file_of_a_table_is_published_by_the_headers_that_aws_lists(account: Account, bucket: str) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/developing-s3-tables-APIs.html"""
    assert bucket.endswith("/lake")
    files = S3Files(Endpoint(account.endpoint).client("s3"), BUDGET, is_tagged=False, lists=False)
    file = files.open("s3://lake/sales/orders/data/b.parquet", "job", "attempt")
    file.write(b"rows")
    written = file.finish(DataFile(file.uri, 4, 1))
    assert written.proof is Proof.PARTS
    for _ in range(2):  # the answer to the first request was lost
        files.publish(written, "job", "attempt")
    files.close()
    found = account.client("s3").get_object(Bucket="lake", Key="sales/orders/data/b.parquet")
    assert (found["Body"].read(), found["Metadata"]) == (b"rows", {})
