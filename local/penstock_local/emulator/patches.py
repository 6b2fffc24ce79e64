"""Where MiniStack 1.5.33 differs from AWS in something that Penstock relies on.

One function per difference. Its docstring says what AWS does; tests/contract/test_emulator_patches.py holds each of
them against the running emulator. This module runs inside MiniStack's own interpreter: it may import the standard
library and MiniStack only. S3 requests are handled one at a time on one event loop, which these functions rely on.
"""
# ruff: noqa: SLF001  # the version is pinned and checked: its private names are what there is to correct

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from contextvars import ContextVar
from functools import cache
from itertools import pairwise
from typing import Any

from ministack import app  # type: ignore[import-not-found]  # lives in a virtual environment of its own
from ministack.core import iam_evaluator, lambda_runtime  # type: ignore[import-not-found]  # the same
from ministack.services import lambda_svc, s3  # type: ignore[import-not-found]  # the same

Response = tuple[int, dict[str, str], bytes]
Upload = dict[str, Any]

OK = 200
FULL_OBJECT = "FULL_OBJECT"
MIN_PART = 5 * 1024 * 1024
WHOLE_CALLED_COMPOSITE = re.compile(rb"(<Checksum\w+>[^<-]+</Checksum\w+><ChecksumType>)COMPOSITE")


def apply_all() -> None:
    """Once, before the first request."""
    count_loopback_as_tls()
    take_concurrency_for_a_number()
    accept_full_object_checksums()
    verify_full_object_checksums()
    report_full_object_checksums()
    serve_ranges_of_versions()
    check_part_sizes_at_completion()
    check_part_order_at_completion()
    name_lambda_errors_by_their_class()


def count_loopback_as_tls() -> None:
    """A request over loopback has ``aws:SecureTransport: true``.

    AWS is reached over TLS, and the template's policies deny anything else. The emulator speaks plain HTTP, on
    127.0.0.1 only; without this those policies would refuse every request and every notification.
    """
    origin = ContextVar("origin", default=("127.0.0.1", True))
    iam_evaluator._request_origin = origin
    app.pin_request_origin = lambda address, _secure: origin.set((address, True))


def take_concurrency_for_a_number() -> None:
    """An event source mapping obeys the MaximumConcurrency that CloudFormation gives it.

    CloudFormation passes parameters as text and AWS converts them by the property's type. MiniStack compares the
    text with a number, fails, and polls no queue at all.
    """
    limit = lambda_svc._sqs_esm_concurrency

    def sqs_esm_concurrency(mapping: Any, *rest: Any) -> Any:
        scaling = mapping.get("ScalingConfig") or {}
        if "MaximumConcurrency" in scaling:
            mapping = {**mapping, "ScalingConfig": {"MaximumConcurrency": int(scaling["MaximumConcurrency"])}}
        return limit(mapping, *rest)

    lambda_svc._sqs_esm_concurrency = sqs_esm_concurrency


def accept_full_object_checksums() -> None:
    """CreateMultipartUpload keeps ``x-amz-checksum-type: FULL_OBJECT`` and echoes it.

    AWS allows that type for CRCs only, and only together with an algorithm. MiniStack takes every upload for
    COMPOSITE, the checksum of the parts' checksums.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
    """
    create = s3._create_multipart_upload

    def create_multipart_upload(bucket: str, key: str, headers: dict[str, str]) -> Response:
        kind = headers.get("x-amz-checksum-type", "").upper()
        algorithm = headers.get("x-amz-checksum-algorithm", "").upper()
        if kind and not algorithm:
            return _refuse(
                "InvalidRequest",
                "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.",
            )
        if kind == FULL_OBJECT and algorithm != "CRC32":
            return _refuse(
                "InvalidRequest",
                f"The {kind} checksum type cannot be used with the {algorithm.lower()} checksum algorithm.",
            )
        status, answer, body = create(bucket, key, headers)
        if status == OK and kind == FULL_OBJECT:
            upload_id = s3.fromstring(body).findtext("{*}UploadId")
            s3._multipart_uploads[upload_id]["checksum_type"] = kind
            answer["x-amz-checksum-type"] = kind
        return status, answer, body

    s3._create_multipart_upload = create_multipart_upload


def verify_full_object_checksums() -> None:
    """CompleteMultipartUpload answers BadDigest unless the declared CRC32 is that of all bytes.

    Each part's CRC32 was computed from its bytes when it came in; together with the sizes these give the CRC of the
    whole, which takes the place of the composite that MiniStack would compare with.
    """
    complete, composite = s3._complete_multipart_upload, s3._composite_checksum
    sizes: list[int] = []

    def complete_multipart_upload(bucket: str, key: str, body: bytes, query: Any, headers: Any = None) -> Response:
        upload = s3._multipart_uploads.get(s3._qp(query, "uploadId"), {})
        if upload.get("checksum_type") == FULL_OBJECT:
            sizes[:] = [upload["parts"][number]["size"] for number in _listed(body) if number in upload["parts"]]
        try:
            answer: Response = complete(bucket, key, body, query, headers)
            return answer
        finally:
            sizes.clear()

    def composite_or_whole(algorithm: str, part_checksums: list[str]) -> Any:
        if not sizes:
            return composite(algorithm, part_checksums)
        whole = 0
        for checksum, size in zip(part_checksums, sizes, strict=True):
            whole = _product(_shift(size), whole) ^ int.from_bytes(base64.b64decode(checksum), "big")
        return base64.b64encode(whole.to_bytes(4, "big")).decode()

    s3._complete_multipart_upload = complete_multipart_upload
    s3._composite_checksum = composite_or_whole


def report_full_object_checksums() -> None:
    """HEAD, GET, GetObjectAttributes and CompleteMultipartUpload name the type that a stored checksum really has.

    A composite always ends in ``-<number of parts>``; MiniStack calls every multipart object's checksum COMPOSITE.
    """
    headers_of = s3._object_response_headers

    def object_response_headers(record: Any, bucket: str = "", key: str = "", include_checksums: bool = False) -> Any:
        headers = headers_of(record, bucket, key, include_checksums=include_checksums)
        if "x-amz-checksum-type" in headers:
            whole = not any("-" in value for value in record["checksums"].values())
            headers["x-amz-checksum-type"] = FULL_OBJECT if whole else "COMPOSITE"
        return headers

    def with_true_type(handle: Callable[..., Response]) -> Callable[..., Response]:
        def handle_with_true_type(*args: Any, **kwargs: Any) -> Response:
            status, headers, body = handle(*args, **kwargs)
            return status, headers, re.sub(WHOLE_CALLED_COMPOSITE, rb"\1FULL_OBJECT", body)

        return handle_with_true_type

    s3._object_response_headers = object_response_headers
    s3._get_object_attributes = with_true_type(s3._get_object_attributes)
    s3._complete_multipart_upload = with_true_type(s3._complete_multipart_upload)


def serve_ranges_of_versions() -> None:
    """GET with ``versionId`` obeys ``Range`` like any other GET; MiniStack answers with the whole version.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
    """
    get = s3._get_object

    def get_object(bucket: str, key: str, headers: dict[str, str], query: Any = None) -> Response:
        status, answer, body = get(bucket, key, headers, query)
        if status != OK or "range" not in headers:
            return status, answer, body
        wanted = s3._parse_range(headers["range"], len(body))
        if wanted is None:
            unsatisfied = {"Content-Type": "application/xml", "Content-Range": f"bytes */{len(body)}"}
            return 416, unsatisfied, s3._xml_body(s3._range_error_xml(bucket, key))
        start, end = wanted
        partial = {name: value for name, value in answer.items() if not name.startswith("x-amz-checksum-")}
        partial["Content-Length"] = str(end + 1 - start)
        partial["Content-Range"] = f"bytes {start}-{end}/{len(body)}"
        return 206, partial, body[start : end + 1]

    s3._get_object = get_object


def check_part_order_at_completion() -> None:
    """InvalidPartOrder unless the parts ascend, and, where parts carry a checksum, count from 1 without a gap.

    MiniStack sorts whatever it is given.
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompletedPart.html
    """

    def wrong_order(upload: Upload, numbers: list[int]) -> Response | None:
        ascending = all(a < b for a, b in pairwise(numbers))
        consecutive = numbers == list(range(1, len(numbers) + 1))
        if ascending and (consecutive or not upload["checksum_algorithm"]):
            return None
        return _refuse(
            "InvalidPartOrder",
            "The list of parts was not in ascending order. The parts list must be specified in order by part number.",
        )

    _check_before_completion(wrong_order)


def check_part_sizes_at_completion() -> None:
    """EntityTooSmall if a part other than the last has less than 5 MiB; MiniStack takes parts of any size.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
    """

    def too_small(upload: Upload, numbers: list[int]) -> Response | None:
        parts = upload["parts"]
        if all(parts[number]["size"] >= MIN_PART for number in numbers[:-1] if number in parts):
            return None
        return _refuse("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size")

    _check_before_completion(too_small)


def name_lambda_errors_by_their_class() -> None:
    """A handler's exception arrives as ``{"errorType": its class name, "errorMessage", "requestId", "stackTrace"}``.

    So on Invoke and as the error name of a Step Functions state, where a Catch or Retry matches it. MiniStack calls
    them all Runtime.HandlerError. A process that ends without answering is Runtime.ExitError.
    https://docs.aws.amazon.com/lambda/latest/dg/python-exceptions.html
    """
    as_text = '"error": str(e), "trace": traceback.format_exc()'
    as_aws_does = (
        '"error": json.dumps({"errorMessage": str(e), "errorType": type(e).__name__,'
        ' "requestId": context.aws_request_id, "stackTrace": traceback.format_tb(e.__traceback__)[1:]}),'
        ' "trace": traceback.format_exc()'
    )
    if lambda_runtime._PYTHON_WORKER_SCRIPT.count(as_text) != 1:
        raise RuntimeError("MiniStack's Lambda worker is not the one that this patch was written for")
    lambda_runtime._PYTHON_WORKER_SCRIPT = lambda_runtime._PYTHON_WORKER_SCRIPT.replace(as_text, as_aws_does)
    execute = lambda_svc._execute_function_warm

    def execute_function_warm(function: Any, event: Any, request_id: str) -> Any:
        outcome = execute(function, event, request_id)
        error = outcome.get("body") if outcome.get("error") else None
        if not isinstance(error, dict):
            return outcome
        message = error["errorMessage"]
        if message.startswith('{"errorMessage": '):
            outcome["body"] = json.loads(message)
        elif message == "Worker process died":
            error["errorType"] = "Runtime.ExitError"
            error["errorMessage"] = f"RequestId: {request_id} Error: Runtime exited without providing a reason"
        return outcome

    lambda_svc._execute_function_warm = execute_function_warm


def _check_before_completion(check: Callable[[Upload, list[int]], Response | None]) -> None:
    complete = s3._complete_multipart_upload

    def complete_multipart_upload(bucket: str, key: str, body: bytes, query: Any, headers: Any = None) -> Response:
        upload = s3._multipart_uploads.get(s3._qp(query, "uploadId"))
        refusal = check(upload, _listed(body)) if upload else None
        return refusal or complete(bucket, key, body, query, headers)

    s3._complete_multipart_upload = complete_multipart_upload


def _listed(body: bytes) -> list[int]:
    """The part numbers of a CompleteMultipartUpload body; none of one that MiniStack will call malformed."""
    try:
        parts = s3.fromstring(body).findall("{*}Part")
    except s3.ParseError:
        return []
    return [int(part.findtext("{*}PartNumber", "0")) for part in parts]


def _product(a: int, b: int) -> int:
    """Of two polynomials over GF(2) modulo that of CRC-32, the highest bit standing for x^0."""
    product = 0
    for bit in range(31, -1, -1):
        product ^= b if a >> bit & 1 else 0
        b = (b >> 1) ^ (0xEDB88320 if b & 1 else 0)
    return product


@cache
def _shift(size: int) -> int:
    """x^(8 x size): what a CRC is multiplied by when ``size`` bytes follow."""
    shift, power = 1 << 31, 1 << 23
    while size:
        shift = _product(shift, power) if size & 1 else shift
        power = _product(power, power)
        size >>= 1
    return shift


def _refuse(code: str, message: str) -> Response:
    refusal: Response = s3._error(code, message, 400)
    return refusal
