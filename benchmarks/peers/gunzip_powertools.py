"""Powertools' streaming S3 object with its gzip transform, into ``upload_fileobj``."""

from typing import Any

import boto3
from aws_lambda_powertools.utilities.streaming.s3_object import S3Object
from aws_lambda_powertools.utilities.streaming.transformations import GzipTransform
from benchmarks.peers.where import ends

s3 = boto3.client("s3")


def handler(event: dict[str, Any], _context: object) -> None:
    bucket, key, target, name = ends(event)
    decoded = S3Object(bucket=bucket, key=key).transform(GzipTransform())  # type: ignore[no-untyped-call]  # powertools' own
    s3.upload_fileobj(decoded, target, name)
