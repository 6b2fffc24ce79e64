"""Full-object checksums of multipart uploads. MiniStack supports composite checksums only."""
# ruff: noqa: SLF001  # patches replace private names; the version is pinned and checked

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from functools import cache
from typing import Any

from ministack.services import s3  # type: ignore[import-not-found]  # installed in another virtual environment

from penstock_local.emulator.patches.multipart import OK, Response, listed, refuse

FULL_OBJECT = "FULL_OBJECT"
# The bits of each CRC that may be of the full object, and its polynomial, with the highest power in the lowest bit.
CRCS = {"CRC32": (32, 0xEDB88320), "CRC32C": (32, 0x82F63B78), "CRC64NVME": (64, 0x9A6C9329AC4BC9B5)}
MISNAMED_FULL_OBJECT = re.compile(rb"(<Checksum\w+>[^<-]+</Checksum\w+><ChecksumType>)COMPOSITE")


def accept_full_object() -> None:
    """CreateMultipartUpload keeps ``x-amz-checksum-type: FULL_OBJECT`` and echoes it.

    AWS allows that type only for CRCs, and only together with an algorithm. A CRC64NVME has no other type. MiniStack
    treats every upload as COMPOSITE, which is the checksum of the parts' checksums.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
    """
    create = s3._create_multipart_upload

    def create_multipart_upload(bucket: str, key: str, headers: dict[str, str]) -> Response:
        checksum_type = headers.get("x-amz-checksum-type", "").upper()
        algorithm = headers.get("x-amz-checksum-algorithm", "").upper()
        if algorithm == "CRC64NVME":
            checksum_type = checksum_type or FULL_OBJECT
        if checksum_type and not algorithm:
            return refuse(
                "InvalidRequest",
                "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.",
            )
        if checksum_type == FULL_OBJECT and algorithm not in CRCS:
            return refuse(
                "InvalidRequest",
                f"The {checksum_type} checksum type cannot be used with the {algorithm.lower()} checksum algorithm.",
            )
        status, answer, body = create(bucket, key, headers)
        if status == OK and checksum_type == FULL_OBJECT:
            upload_id = s3.fromstring(body).findtext("{*}UploadId")
            s3._multipart_uploads[upload_id]["checksum_type"] = checksum_type
            answer["x-amz-checksum-type"] = checksum_type
        return status, answer, body

    s3._create_multipart_upload = create_multipart_upload


def verify_full_object() -> None:
    """CompleteMultipartUpload answers BadDigest unless the declared CRC is that of all bytes.

    UploadPart has computed the CRC of each part. The CRC of the object follows from these and the sizes. It replaces
    the composite that MiniStack would compare.
    """
    complete, composite = s3._complete_multipart_upload, s3._composite_checksum
    sizes: list[int] = []

    def complete_multipart_upload(bucket: str, key: str, body: bytes, query: Any, headers: Any = None) -> Response:
        upload = s3._multipart_uploads.get(s3._qp(query, "uploadId"), {})
        if upload.get("checksum_type") == FULL_OBJECT:
            sizes[:] = [upload["parts"][number]["size"] for number in listed(body) if number in upload["parts"]]
        try:
            answer: Response = complete(bucket, key, body, query, headers)
            return answer
        finally:
            sizes.clear()

    def composite_or_full_object(algorithm: str, part_checksums: list[str]) -> Any:
        if not sizes:
            return composite(algorithm, part_checksums)
        crc, kind = 0, CRCS[algorithm]
        for checksum, size in zip(part_checksums, sizes, strict=True):
            crc = _product(_shift(size, kind), crc, kind) ^ int.from_bytes(base64.b64decode(checksum), "big")
        return base64.b64encode(crc.to_bytes(kind[0] // 8, "big")).decode()

    s3._complete_multipart_upload = complete_multipart_upload
    s3._composite_checksum = composite_or_full_object


def report_full_object() -> None:
    """HEAD, GET, GetObjectAttributes and CompleteMultipartUpload return the actual type of a stored checksum.

    A composite always ends in ``-<number of parts>``; MiniStack calls every multipart object's checksum COMPOSITE.
    """
    headers_of = s3._object_response_headers

    def object_response_headers(record: Any, bucket: str = "", key: str = "", include_checksums: bool = False) -> Any:
        headers = headers_of(record, bucket, key, include_checksums=include_checksums)
        if "x-amz-checksum-type" in headers:
            composite = any("-" in value for value in record["checksums"].values())
            headers["x-amz-checksum-type"] = "COMPOSITE" if composite else FULL_OBJECT
        return headers

    def with_true_type(handle: Callable[..., Response]) -> Callable[..., Response]:
        def handle_with_true_type(*args: Any, **kwargs: Any) -> Response:
            status, headers, body = handle(*args, **kwargs)
            return status, headers, re.sub(MISNAMED_FULL_OBJECT, rb"\1FULL_OBJECT", body)

        return handle_with_true_type

    s3._object_response_headers = object_response_headers
    s3._get_object_attributes = with_true_type(s3._get_object_attributes)
    s3._complete_multipart_upload = with_true_type(s3._complete_multipart_upload)


def checksum_copied_parts() -> None:
    """A part that UploadPartCopy made has the checksum that its upload declares, in its answer and in ListParts.

    MiniStack computes none, and completes an upload with such parts without one.
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyPartResult.html
    """
    copy = s3._upload_part_copy

    def upload_part_copy(bucket: str, key: str, query: Any, headers: dict[str, str]) -> Response:
        status, answer, body = copy(bucket, key, query, headers)
        upload = s3._multipart_uploads.get(s3._qp(query, "uploadId"), {})
        if status != OK or not (algorithm := upload.get("checksum_algorithm")):
            return status, answer, body
        part = upload["parts"][int(s3._qp(query, "partNumber"))]
        checksum = s3._compute_s3_checksum(algorithm, part["body"])
        part["checksums"] = {algorithm: checksum}
        tag = f"<Checksum{algorithm}>{checksum}</Checksum{algorithm}></CopyPartResult>"
        return status, answer, body.replace(b"</CopyPartResult>", tag.encode())

    s3._upload_part_copy = upload_part_copy


def _product(a: int, b: int, kind: tuple[int, int]) -> int:
    """The product of two polynomials over GF(2), modulo that of a CRC. The highest bit is x^0."""
    bits, polynomial = kind
    product = 0
    for bit in range(bits - 1, -1, -1):
        product ^= b if a >> bit & 1 else 0
        b = (b >> 1) ^ (polynomial if b & 1 else 0)
    return product


@cache
def _shift(size: int, kind: tuple[int, int]) -> int:
    """x^(8 x size), the factor for a CRC that ``size`` bytes follow."""
    bits, _ = kind
    shift, power = 1 << bits - 1, 1 << bits - 9
    while size:
        shift = _product(shift, power, kind) if size & 1 else shift
        power = _product(power, power, kind)
        size >>= 1
    return shift
