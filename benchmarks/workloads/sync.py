"""A folder and a prefix that are equal, synchronised again: by `penstock sync` and by the commands that people take."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.counting_proxy import Counts, counting_proxy
from benchmarks.frame import commands
from benchmarks.frame.contender import Contender, Form
from benchmarks.frame.reading import Reading
from benchmarks.frame.result import Result
from benchmarks.transfer_peers import environment
from benchmarks.workloads.syncing import OURS, Subject, argv, compare, files_of, make_tree

from penstock.limits import MIB
from penstock_local.account import emulator_only

FILES = 2000
PARTS = (5 * MIB, 8 * MIB, 16 * MIB)
BUCKET = "benchmark-lake"
LARGEST = 1769  # MB
SHARE = 0.5
SETTLED = 2.5  # seconds after which a file's digest may be remembered

ABOUT = """{files:,} files of 1 to 16 KiB and three objects in parts of 5, 8 and 16 MiB stand both in a folder and
under a prefix, and are synchronised again, {way}: nothing is to be done, and nothing is moved, which is seen to at a
proxy. Penstock and rclone compare contents, by ETags of listings and digests of files; Penstock remembers digests of
files that have not changed since, as after any earlier sync, and knows those of objects in parts. The others compare
sizes and times, which are equal here. Each run is a fresh process; times are those of the whole command. S3 is the
emulator, in a process of its own and without a cap."""


@dataclass(frozen=True)
class Bench:
    """The account's S3 behind a proxy that counts, a folder ``tree``, and which of them is made equal to the other."""

    client: Any
    proxy: Counts
    folder: Path
    down: bool
    give_up: float

    @property
    def tree(self) -> Path:
        return self.folder / "tree"

    def run(self, contender: Contender, memory: int, repetition: int) -> Iterator[Reading]:
        before = self._seen()
        self.proxy.reset()
        reading = commands.run(
            contender.name,
            argv(contender, self.tree, f"{BUCKET}/tree", down=self.down),
            memory,
            repetition,
            env=environment(self.proxy.url, self.folder),
            give_up=self.give_up,
        )
        assert self.proxy.moved == 0, f"{contender.name} moved {self.proxy.moved} bytes"
        assert self._seen() == before, f"{contender.name} touched the folder"
        yield reading

    def settle(self) -> None:
        """Everything stands at both ends, and files have the times of their objects: so that nobody, whichever way he
        looks, finds one end newer. Digests are remembered."""
        for path in files_of(self.tree):
            self.client.put_object(Bucket=BUCKET, Key=self._key(path), Body=path.read_bytes())
        for part in PARTS:
            self._put_parts(part)
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix="tree/")
        for each in (each for page in pages for each in page["Contents"]):
            stamp = round(each["LastModified"].timestamp() * 1e6) * 1000  # of microseconds, which a float holds
            os.utime(self.tree / each["Key"].removeprefix("tree/"), ns=(stamp, stamp))
        time.sleep(SETTLED)
        for reading in self.run(OURS, LARGEST, 0):
            assert not reading.error, reading.error

    def _seen(self) -> dict[Path, tuple[int, int]]:
        return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in files_of(self.tree)}

    def _key(self, path: Path) -> str:
        return f"tree/{path.relative_to(self.tree)}"

    def _put_parts(self, part: int) -> None:
        data = Random(part).randbytes(2 * part + 1000)
        path = self.tree / f"parts-{part // MIB}"
        path.write_bytes(data)
        named = {"Bucket": BUCKET, "Key": self._key(path)}
        upload = self.client.create_multipart_upload(**named)["UploadId"]
        sent = []
        for number, at in enumerate(range(0, len(data), part), 1):
            answer = self.client.upload_part(**named, UploadId=upload, PartNumber=number, Body=data[at : at + part])
            sent.append({"PartNumber": number, "ETag": answer["ETag"]})
        self.client.complete_multipart_upload(**named, UploadId=upload, MultipartUpload={"Parts": sent})


def up(form: Form) -> Result:
    return _measure(form, "sync-up", "An unchanged folder to S3", "from the folder to S3", down=False)


def down(form: Form) -> Result:
    return _measure(form, "sync-down", "An unchanged prefix to a folder", "from S3 to the folder", down=True)


def _measure(form: Form, name: str, title: str, way: str, *, down: bool) -> Result:
    files = round(FILES * form.scale)
    with (
        emulator_only() as account,
        counting_proxy(account.endpoint) as proxy,
        TemporaryDirectory(prefix="penstock-sync-") as folder,
    ):
        client = account.client("s3")
        client.create_bucket(Bucket=BUCKET)
        bench = Bench(client, proxy, Path(folder), down, form.give_up)
        make_tree(bench.tree, files)
        bench.settle()
        subject = Subject(name, title, ABOUT.format(files=files, way=way))
        return compare(subject, form, bench.tree, bench.run, share=SHARE)
