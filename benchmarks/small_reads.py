"""CPU of reading one small object: by http.client and botocore's signer, by botocore, and by boto3.

    python -m benchmarks.small_reads [--objects 1000]

The S3 server runs in a process of its own. The figure is CPU of this process for one object, the median of five rounds.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import boto3
from benchmarks.s3_server import s3_server
from botocore.credentials import Credentials

from penstock.aws.access import Access
from penstock.aws.s3.client import s3_config
from penstock.aws.s3.small_reader import S3SmallReader
from penstock.limits import MIB, Budget
from penstock.model.object import Source

ROUNDS = 5
BODY = b'{"type": "song", "data": {"id": "7d1f", "title": "Reservoir", "seconds": 241}}' * 9


def microseconds(read: Callable[[Source], bytes], sources: list[Source]) -> float:
    """Median CPU of one object, in microseconds."""
    found = []
    for _ in range(ROUNDS):
        before = time.process_time()
        for source in sources:
            assert len(read(source)) == len(BODY)
        found.append((time.process_time() - before) / len(sources) * 1e6)
    return statistics.median(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=1000)
    objects = parser.parse_args().objects
    with s3_server() as endpoint:
        access = Access(region="us-east-1", endpoint_url=endpoint, access_key_id="test", secret_access_key="test")
        client = access.client("s3", s3_config(Budget.of(1769 * MIB)))
        usual = boto3.client(
            "s3",
            region_name="us-east-1",
            endpoint_url=endpoint,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        sources = []
        for number in range(objects):
            etag = client.put_object(Bucket="lake", Key=f"{number}.json", Body=BODY)["ETag"].strip('"')
            sources.append(Source("lake", f"{number}.json", len(BODY), etag))
        reader = S3SmallReader(client, Credentials("test", "test"))
        ways: dict[str, Callable[[Source], bytes]] = {
            "http.client, botocore's signer": reader.read,
            "botocore client": lambda source: client.get_object(Bucket=source.bucket, Key=source.key)["Body"].read(),
            "boto3 client, as it comes": lambda source: usual.get_object(Bucket=source.bucket, Key=source.key)[
                "Body"
            ].read(),
        }
        figures = {name: microseconds(read, sources) for name, read in ways.items()}
    ours = next(iter(figures.values()))
    for name, figure in figures.items():
        print(f"{name:32} {figure:7.0f} us of CPU for an object  {figure / ours:5.2f} x")


if __name__ == "__main__":
    main()
