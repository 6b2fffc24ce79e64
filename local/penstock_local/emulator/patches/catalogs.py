"""Patches of the catalogs of Iceberg tables: Glue and S3 Tables."""
# ruff: noqa: SLF001  # patches replace private names; the version is pinned and checked

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from ministack.core import iam_actions, iam_evaluator  # type: ignore[import-not-found]  # in another environment
from ministack.services import s3, s3tables  # type: ignore[import-not-found]  # the same

from penstock_local.emulator.patches.multipart import Response

# Between the ARNs of one request. No ARN has a line end.
_SEPARATOR = "\n"

# Where the body of a request names its table; databases are in DatabaseName.
_TABLE_CALLS: dict[str, Callable[[Any], str]] = {
    "GetTable": lambda body: body["Name"],
    "DeleteTable": lambda body: body["Name"],
    "GetTables": lambda _: "*",
    "CreateTable": lambda body: body["TableInput"]["Name"],
    "UpdateTable": lambda body: body["TableInput"]["Name"],
}
_DATABASE_CALLS: dict[str, Callable[[Any], str]] = {
    "GetDatabase": lambda body: body["Name"],
    "DeleteDatabase": lambda body: body["Name"],
    "UpdateDatabase": lambda body: body["Name"],
    "CreateDatabase": lambda body: body["DatabaseInput"]["Name"],
}

# The actions of S3 Tables that allow requests to the files of tables.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-tables-setting-up.html
_FILE_ACTIONS = {
    "s3:GetObject": "s3tables:GetTableData",
    "s3:ListMultipartUploadParts": "s3tables:GetTableData",
    "s3:PutObject": "s3tables:PutTableData",
    "s3:AbortMultipartUpload": "s3tables:PutTableData",
}

# Headers of uploads that S3 Tables does not list.
# https://docs.aws.amazon.com/AmazonS3/latest/API/developing-s3-tables-APIs.html
_UNLISTED = ("x-amz-checksum-type", "x-amz-meta-", "x-amz-mp-object-size", "x-amz-tagging")


def ask_for_catalog_and_database_of_a_table() -> None:
    """A request on a table of Glue needs its action on the table, on its database and on the catalog.

    MiniStack asks for the database alone, and takes the name of a database for that of a table.
    https://docs.aws.amazon.com/glue/latest/dg/glue-specifying-resource-arns.html
    """
    original = iam_actions.extract_resource_arn

    def extract_resource_arn(service: str, method: str, path: str, headers: Any, body: Any, *rest: Any) -> Any:
        if service == "glue" and (found := _glue_resources(headers, body)):
            region, account = rest[-2:]
            return _SEPARATOR.join(f"arn:aws:glue:{region}:{account}:{one}" for one in found)
        return original(service, method, path, headers, body, *rest)

    iam_actions.extract_resource_arn = extract_resource_arn
    _enforce_each_resource()


def _glue_resources(headers: Any, body: Any) -> list[str]:
    call = headers.get("x-amz-target", "").rpartition(".")[2]
    try:
        request = json.loads(body or b"{}")
        if call in _TABLE_CALLS:
            database, table = request["DatabaseName"], _TABLE_CALLS[call](request)
            return ["catalog", f"database/{database}", f"table/{database}/{table}"]
        if call in _DATABASE_CALLS:
            return ["catalog", f"database/{_DATABASE_CALLS[call](request)}"]
    except (ValueError, KeyError, TypeError):
        pass  # the service says what is wrong with the request
    return []


def _enforce_each_resource() -> None:
    enforce = iam_evaluator.enforce

    def enforcing(caller: str, action: str, service: str, region: str, resource_arn: str = "*", **named: Any) -> Any:
        if service != "glue":
            return enforce(caller, action, service, region, resource_arn=resource_arn, **named)
        for arn in resource_arn.split(_SEPARATOR):
            if refused := enforce(caller, action, service, region, resource_arn=arn, **named):
                return refused
        return None

    iam_evaluator.enforce = enforcing


def guard_files_of_tables() -> None:
    """Rights to the files of a table are actions of S3 Tables on the table, and nobody may delete or list them. Uploads
    take the headers that AWS lists.

    MiniStack keeps them in a bucket with the name of the table bucket, with the rights and the headers of any bucket.
    AWS does not say what becomes of other headers. Here they are refused, which is the stricter answer.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-tables-setting-up.html
    https://docs.aws.amazon.com/AmazonS3/latest/API/developing-s3-tables-APIs.html
    """
    enforce = iam_evaluator.enforce

    def enforcing(caller: str, action: str, service: str, region: str, resource_arn: str = "*", **named: Any) -> Any:
        if service == "s3" and (table := _table_of(resource_arn.removeprefix("arn:aws:s3:::"))):
            action, resource_arn = _FILE_ACTIONS.get(action, "s3tables:None"), table
        return enforce(caller, action, service, region, resource_arn=resource_arn, **named)

    iam_evaluator.enforce = enforcing
    delete = s3._delete_object

    def delete_object(bucket: str, key: str, *rest: Any, **named: Any) -> Response:
        if not _table_of(f"{bucket}/{key}"):
            answer: Response = delete(bucket, key, *rest, **named)
            return answer
        refused: Response = s3._error(
            "MethodNotAllowed", "The specified method is not allowed against this resource.", 405, f"/{bucket}/{key}"
        )
        return refused

    s3._delete_object = delete_object
    create, complete = s3._create_multipart_upload, s3._complete_multipart_upload

    def create_multipart_upload(bucket: str, key: str, headers: dict[str, str]) -> Response:
        answer: Response = _refusal(bucket, key, headers) or create(bucket, key, headers)
        return answer

    def complete_multipart_upload(bucket: str, key: str, body: bytes, query: Any, headers: Any = None) -> Response:
        answer: Response = _refusal(bucket, key, headers or {}) or complete(bucket, key, body, query, headers)
        return answer

    s3._create_multipart_upload = create_multipart_upload
    s3._complete_multipart_upload = complete_multipart_upload


def _refusal(bucket: str, key: str, headers: Mapping[str, str]) -> Response | None:
    """The answer to an upload of a file of a table with a header that AWS does not list."""
    if not any(name.startswith(_UNLISTED) for name in headers) or not _table_of(f"{bucket}/{key}"):
        return None
    refused: Response = s3._error(
        "NotImplemented",
        "A header you provided implies functionality that is not implemented.",
        501,
        f"/{bucket}/{key}",
    )
    return refused


def _table_of(path: str) -> str:
    """Return the ARN of the table whose file ``bucket/key`` is; empty for other objects."""
    for table in s3tables._tables.values():
        if f"s3://{path}".startswith(table["warehouseLocation"] + "/"):
            return str(table["tableARN"])
    return ""
