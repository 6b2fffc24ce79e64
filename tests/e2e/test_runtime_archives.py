"""Archives in the real ingest handler, in the smallest function, with S3 in another process."""

from __future__ import annotations

import gzip
import io
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping
from random import Random
from zlib import crc32

import pytest

from fixtures.tars import tar_of
from lengths import IS_LONG, long
from penstock_local.account import emulator_only
from penstock_local.runtime.environment import DESTINATION, WORK, IngestEnvironment

MIB = 1024 * 1024
ROUTES = """
[[route]]
name = "archives"
match = ["*.zip", "*.tar", "*.tar.gz"]
archive = "members"
[[route]]
name = "files"
match = "*"
destination = "s3://{destination_bucket}/{member}"
"""


@pytest.fixture
def ingest_environment() -> Iterator[IngestEnvironment]:
    with emulator_only() as account:
        environment = IngestEnvironment(account)
        environment.s3.put_object(Bucket=WORK, Key="config/routes.toml", Body=ROUTES.encode())
        yield environment


def contents() -> Mapping[str, bytes]:
    """Many small members, some of the largest size that is delivered beside others, and two large ones."""
    random = Random(5)
    files = {f"small/{n:03}": random.randbytes(1000 + n) for n in range(150)}
    files |= {f"medium/{n:02}": random.randbytes(MIB) for n in range(24)}
    files |= {
        f"packed/{n:02}.csv.gz": gzip.compress(bytes(20 * MIB) + b"%d" % n, 1) for n in range(4 if IS_LONG else 1)
    }
    return files | {"large.csv": b"0123456789abcdef" * (160 * MIB // 16)}


def zip_of(files: Mapping[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return stream.getvalue()


def tar_gzip_of(files: Mapping[str, bytes]) -> bytes:
    return gzip.compress(tar_of(dict(files)), 1)


@pytest.mark.parametrize(("key", "pack"), [("a.zip", zip_of), long("a.tar.gz", tar_gzip_of)])
@pytest.mark.long
def test_an_archive_larger_than_memory_needs_at_most_128_mb(
    ingest_environment: IngestEnvironment,
    key: str,
    pack: Callable[[Mapping[str, bytes]], bytes],
    capsys: pytest.CaptureFixture[str],
) -> None:
    files = contents()
    upload = ingest_environment.upload(key, pack(files))
    routes = {"PENSTOCK_ROUTES_URI": f"s3://{WORK}/config/routes.toml"}
    with ingest_environment.ingest(memory=128, vcpus=1.0, env=routes) as function:
        invocation = function.invoke(upload.event())
    assert invocation.ok, f"{invocation.error_type}: {invocation.error_message}\n{invocation.log}"
    (job,) = invocation.payload["jobs"]
    assert job["state"] == "succeeded", job
    peak, resident = invocation.peak_bytes / MIB, invocation.rss_peak_bytes / MIB
    with capsys.disabled():
        sys.stdout.write(
            f"\n{key}, 128 MB ({invocation.enforced_by}): peak {peak:.0f} MiB, {resident:.0f} resident, "
            f"{job['seconds']:.1f} s\n"
        )
    for name, data in files.items():
        expected = bytes(20 * MIB) + b"%d" % int(name[7:9]) if name.startswith("packed/") else data
        stored = ingest_environment.s3.get_object(Bucket=DESTINATION, Key=name)["Body"].read()
        assert (len(stored), crc32(stored)) == (len(expected), crc32(expected)), name
    assert invocation.left_in_tmp == ()
    assert max(invocation.peak_bytes, invocation.rss_peak_bytes) < 120 * MIB


INNER = """
[[route]]
name = "inner"
match = ["*/inner*"]
archive = "members"
"""


@pytest.mark.long
def test_a_compressed_inner_archive_is_spooled_to_disk(ingest_environment: IngestEnvironment) -> None:
    ingest_environment.s3.put_object(Bucket=WORK, Key="config/routes.toml", Body=(INNER + ROUTES).encode())
    random = Random(6)
    files = {f"small/{n:03}": random.randbytes(1000 + n) for n in range(50)}
    files["large.bin"] = random.randbytes(64 * MIB)
    upload = ingest_environment.upload("a.zip", zip_of({"inner.zip": zip_of(files)}))
    routes = {"PENSTOCK_ROUTES_URI": f"s3://{WORK}/config/routes.toml"}
    with ingest_environment.ingest(memory=128, vcpus=1.0, env=routes) as function:
        invocation = function.invoke(upload.event())
    assert invocation.ok, f"{invocation.error_type}: {invocation.error_message}\n{invocation.log}"
    (job,) = invocation.payload["jobs"]
    assert job["state"] == "succeeded", job
    for name, data in files.items():
        stored = ingest_environment.s3.get_object(Bucket=DESTINATION, Key=f"inner.zip/{name}")["Body"].read()
        assert (len(stored), crc32(stored)) == (len(data), crc32(data)), name
    assert invocation.left_in_tmp == ()
    # The cgroup also counts the cache of the file's pages, which is given back when memory is needed.
    assert invocation.rss_peak_bytes < 120 * MIB
