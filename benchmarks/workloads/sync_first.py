"""A new folder's way to S3: by `penstock sync` and by the commands that people take."""

from __future__ import annotations

import hashlib
import ssl
import urllib.request
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.certificate import certificate
from benchmarks.frame import commands
from benchmarks.frame.contender import Contender, Form
from benchmarks.frame.reading import Reading
from benchmarks.frame.result import Result
from benchmarks.transfer_peers import environment
from benchmarks.upload_server import upload_server
from benchmarks.workloads.syncing import Subject, argv, compare, files_of, make_tree

FILES = 500
BUCKET = "bucket"

ABOUT = """{files:,} files of 1 to 16 KiB are sent over TLS to a prefix where nothing is. Each run is a fresh process
that remembers nothing; times are those of the whole command. Objects are compared with the files by their ETags. S3 is
a [server](../upload_server.py) in a process of its own and without a cap, that answers at once."""


@dataclass(frozen=True)
class Bench:
    """The server's ``endpoint`` and certificate, and a folder ``tree``."""

    endpoint: str
    trusted: Path
    folder: Path
    give_up: float

    @property
    def tree(self) -> Path:
        return self.folder / "tree"

    def run(self, contender: Contender, memory: int, repetition: int) -> Iterator[Reading]:
        with TemporaryDirectory(dir=self.folder) as home:
            reading = commands.run(
                contender.name,
                argv(contender, self.tree, f"{BUCKET}/tree"),
                memory,
                repetition,
                env=environment(self.endpoint, Path(home), self.trusted),
                give_up=self.give_up,
            )
        found = self._listed()
        assert reading.error or found == self._digests(), f"{contender.name}: the prefix is not the folder"
        for key in found:
            self._ask("DELETE", f"{BUCKET}/{key}")
        yield reading

    def _listed(self) -> dict[str, str]:
        said = ET.fromstring(self._ask("GET", f"{BUCKET}?list-type=2"))
        entries = said.iter("{http://s3.amazonaws.com/doc/2006-03-01/}Contents")
        return {str(each.findtext("{*}Key")): str(each.findtext("{*}ETag")).strip('"') for each in entries}

    def _digests(self) -> dict[str, str]:
        return {
            f"tree/{path.relative_to(self.tree)}": hashlib.md5(path.read_bytes()).hexdigest()
            for path in files_of(self.tree)
        }

    def _ask(self, method: str, path: str) -> bytes:
        request = urllib.request.Request(f"{self.endpoint}/{path}", method=method)
        trust = ssl.create_default_context(cafile=str(self.trusted))
        with urllib.request.urlopen(request, context=trust) as answer:
            said: bytes = answer.read()
            return said


def measure(form: Form) -> Result:
    files = round(FILES * form.scale)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="penstock-sync-")))
        tls = stack.enter_context(certificate())
        endpoint = stack.enter_context(upload_server("--tls", str(tls)))
        bench = Bench(endpoint, tls / "cert.pem", folder, form.give_up)
        make_tree(bench.tree, files)
        subject = Subject("sync-first", "A new folder to S3", ABOUT.format(files=files))
        return compare(subject, form, bench.tree, bench.run, share=1.0)
