"""How cheap gunzip to S3 could be: decoding alone and sending alone, beside Penstock doing both.

    python -m benchmarks.gunzip_limits [--rows N] [--repeat K] [--memory MB] [--tls]

CPU seconds of one process; who plays S3 is another. Contenders take turns, after a round that does not count. Sending
alone is a plain boto3 client, one part of Penstock's size after another, of decoded bytes that are in memory already:

- *default*: boto3's defaults. Over http botocore counts a CRC32 and signs a SHA-256 of every part; over TLS, as on AWS,
  it leaves the SHA-256 out and sends the CRC32 behind a body in chunks.
- *unsigned*: no SHA-256 over http either. This is what Penstock is held against: it sends a CRC32 and no SHA-256.

``--tls`` has the server speak TLS, so that each pays for it as on AWS.
"""

from __future__ import annotations

import argparse
import os
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

import boto3
from benchmarks.certificate import certificate
from benchmarks.s3_server import s3_server
from botocore.config import Config
from isal import isal_zlib
from zlib_ng import zlib_ng

from penstock.aws.s3.client import s3_client
from penstock.delivery.decoding import pour
from penstock.destinations.bucket.object_store import S3ObjectStore
from penstock.destinations.ports import Verdict
from penstock.limits import MIB, Budget, PartPlan
from penstock.model.job import Receipt
from penstock.model.object import Content, Source, Target
from penstock.model.route import Route
from penstock_local import samples
from penstock_local.sources import checkout

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SOURCE, DESTINATION, KEY = "source", "destination", "accidents.csv.gz"
_SLICE, _STEP = 64 * 1024, 256 * 1024


class _Hours:
    def remaining(self) -> float:
        return 3600.0


def cpu_seconds(work: Callable[[], object]) -> float:
    """User and system time of this process, its threads included, while ``work`` runs."""
    before = os.times()
    work()
    after = os.times()
    return after.user + after.system - before.user - before.system


def decode_alone(compressed: bytes, *, isal: bool = False) -> Iterator[bytes]:
    """One gzip member from memory, inflated by zlib-ng, or by isal, in Penstock's steps."""
    decoder = (isal_zlib if isal else zlib_ng).decompressobj(31)
    at = 0
    while not decoder.eof:
        data = compressed[at : at + _SLICE]
        yield decoder.decompress(data, _STEP)
        at += len(data) - len(decoder.unconsumed_tail)


def upload_alone(client: S3Client, bucket: str, key: str, parts: Sequence[bytes]) -> None:
    """Send parts that are in memory, one after another; nothing is published."""
    upload = client.create_multipart_upload(Bucket=bucket, Key=key, ChecksumAlgorithm="CRC32")["UploadId"]
    for number, body in enumerate(parts, 1):
        client.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=number, Body=body)
    client.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload)


def penstock(store: S3ObjectStore, source: Source, target: Target, budget: Budget) -> Receipt:
    """Penstock's byte path: ranged reads, decoding, checksums, parts, publication."""
    with store.open_sink(target, Content(), lambda _: Verdict.REPLACE) as sink:
        return pour(
            source,
            store.open_source(source),
            Route("limits", ("*",), "s3://" + target.bucket),
            sink,
            budget=budget,
            heartbeat=lambda _: None,
            deadline=_Hours(),
            margin=1.0,
        )


def measure(compressed: bytes, memory: int, repeat: int) -> dict[str, list[float]]:
    """CPU seconds of each contender; S3's endpoint and credentials come from the environment."""
    budget = Budget.of(memory * MIB)
    size = PartPlan.within(budget).first
    decoded = b"".join(decode_alone(compressed, isal=True))
    parts = [decoded[at : at + size] for at in range(0, len(decoded), size)]
    del decoded
    default = boto3.client("s3")
    unsigned = boto3.client("s3", config=Config(s3={"payload_signing_enabled": False}))
    etag = default.put_object(Bucket=SOURCE, Key=KEY, Body=compressed)["ETag"].strip('"')
    store = S3ObjectStore(s3_client(budget), budget)
    source, target = Source(SOURCE, KEY, len(compressed), etag), Target(DESTINATION, "accidents.csv")
    contenders: dict[str, Callable[[], object]] = {
        "decode, zlib-ng": lambda: sum(map(len, decode_alone(compressed))),
        "decode, isal": lambda: sum(map(len, decode_alone(compressed, isal=True))),
        "upload, default": lambda: upload_alone(default, DESTINATION, "alone", parts),
        "upload, unsigned": lambda: upload_alone(unsigned, DESTINATION, "alone", parts),
        "Penstock": lambda: penstock(store, source, target, budget),
    }
    rounds = [{name: cpu_seconds(work) for name, work in contenders.items()} for _ in range(repeat + 1)]
    return {name: [one[name] for one in rounds[1:]] for name in contenders}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gunzip_limits", description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the sample (default: %(default)s)")
    parser.add_argument("--repeat", type=int, default=7, help="rounds that count (default: %(default)s)")
    parser.add_argument("--memory", type=int, default=128, help="MB that Penstock plans for (default: %(default)s)")
    parser.add_argument("--tls", action="store_true", help="speak TLS with S3")
    options = parser.parse_args()

    sample = samples.cached("accidents", options.rows, checkout() / ".penstock" / "samples")
    with ExitStack() as stack:
        folder = stack.enter_context(certificate()) if options.tls else ""
        endpoint = stack.enter_context(s3_server(certificate=folder))
        os.environ |= {"AWS_ENDPOINT_URL_S3": endpoint, "AWS_DEFAULT_REGION": "eu-west-1", "NO_PROXY": "127.0.0.1"}
        os.environ |= {"AWS_ACCESS_KEY_ID": "benchmark", "AWS_SECRET_ACCESS_KEY": "benchmark"}
        os.environ |= {"AWS_CA_BUNDLE": f"{folder}/cert.pem"} if options.tls else {}
        found = measure(sample.read_bytes(), options.memory, options.repeat)
    medians = {name: statistics.median(seconds) for name, seconds in found.items()}
    for name, seconds in found.items():
        print(f"{name:18} {medians[name]:.2f} s of CPU ({min(seconds):.2f}-{max(seconds):.2f})")
    for upload in ("default", "unsigned"):
        alone = medians["decode, zlib-ng"] + medians[f"upload, {upload}"]
        print(f"Penstock / (decode, zlib-ng + upload, {upload}) = {medians['Penstock'] / alone:.2f}")


if __name__ == "__main__":
    main()
