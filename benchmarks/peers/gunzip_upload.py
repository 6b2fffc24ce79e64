"""A limit: as many bytes as are decoded, sent as parts and nothing else, boto3's defaults, one part at a time."""

from typing import Any

import boto3

PART = bytes(8 * 1024 * 1024)

s3 = boto3.client("s3")


def handler(event: dict[str, Any], _context: object) -> None:
    where = {"Bucket": event["bucket"], "Key": event["key"]}
    upload = s3.create_multipart_upload(**where)["UploadId"]
    parts = []
    for number, start in enumerate(range(0, event["size"], len(PART)), 1):
        body = PART[: event["size"] - start]
        sent = s3.upload_part(Bucket=where["Bucket"], Key=where["Key"], UploadId=upload, PartNumber=number, Body=body)
        parts.append({"PartNumber": number, "ETag": sent["ETag"]})
    s3.complete_multipart_upload(
        Bucket=where["Bucket"],
        Key=where["Key"],
        UploadId=upload,
        MultipartUpload={"Parts": parts},  # type: ignore[typeddict-item]  # a list of dicts
    )
