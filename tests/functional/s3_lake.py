"""A bucket on a separate server, behind a proxy that counts requests, and the `penstock sync` command for it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import boto3
from click.testing import CliRunner, Result
from moto.s3.models import s3_backends

from functional.faulty_s3 import FaultyS3
from penstock_cli.main import main

_numbers = count(1)

# An old modification time of files: digests of recently changed files are not cached.
LONG_AGO = 1_600_000_000_123_456_789


@dataclass
class Lake:
    """A bucket, and methods to run the command and to change objects."""

    proxy: FaultyS3
    client: Any = field(init=False)
    bucket: str = field(init=False)

    def __post_init__(self) -> None:
        self.bucket = f"lake-{next(_numbers)}"
        backend = self.proxy.backend.geturl()
        self.client = boto3.client("s3", endpoint_url=backend)
        self.client.create_bucket(Bucket=self.bucket)

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}"

    @property
    def requests(self) -> list[str]:
        """The operations so far. A listing is also named GetObject."""
        return [request.operation for request in self.proxy.log]

    def sync(self, *arguments: str | Path) -> Result:
        """Run the command, and count its requests only."""
        self.proxy.log.clear()
        command = ["sync", *map(str, arguments), "--endpoint-url", self.proxy.url]
        return CliRunner(mix_stderr=False).invoke(main, command)

    def put(self, key: str, data: bytes, **options: Any) -> None:
        self.client.put_object(Bucket=self.bucket, Key=key, Body=data, **options)

    def put_parts(self, key: str, parts: list[bytes]) -> None:
        where = {"Bucket": self.bucket, "Key": key}
        upload = self.client.create_multipart_upload(**where)["UploadId"]
        sent = [
            {
                "PartNumber": number,
                "ETag": self.client.upload_part(**where, UploadId=upload, PartNumber=number, Body=part)["ETag"],
            }
            for number, part in enumerate(parts, 1)
        ]
        self.client.complete_multipart_upload(**where, UploadId=upload, MultipartUpload={"Parts": sent})

    def make_opaque(self, key: str, etag: str) -> None:
        """Store an object as under SSE-KMS: the ETag is not an MD5, and there is no checksum. moto does not encrypt."""
        stored = self.stored(key)
        stored._etag = etag
        stored.encryption = "aws:kms"
        stored.checksum_value = stored.checksum_algorithm = None

    def stored(self, key: str) -> Any:
        """The object in the memory of the server."""
        return next(iter(s3_backends.values()))["aws"].buckets[self.bucket].keys[key]

    def keys(self) -> list[str]:
        return [found["Key"] for found in self.client.list_objects_v2(Bucket=self.bucket).get("Contents", ())]

    def read(self, key: str) -> bytes:
        data: bytes = self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return data


def write(path: Path, data: bytes, mtime_ns: int = LONG_AGO) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.utime(path, ns=(mtime_ns, mtime_ns))
    return path


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
