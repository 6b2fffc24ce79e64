"""A user mirrors the results into a directory bucket, whose listings have no order, with `penstock sync --delete`.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-express-differences.html
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from penstock.aws.s3.parts_pool import PartsPool
from penstock.errors import PenstockError
from penstock.sync.digest_cache import DigestCache
from penstock.sync.filters import Filters
from penstock.sync.locations import Prefix
from penstock.sync.run import Synchronizer
from penstock.wiring.sync import PART_SIZE, Parts, SyncOptions
from simulation.rights import RESULTS

if TYPE_CHECKING:
    from simulation.s3 import MemoryS3

COPIES = "copies--x-s3"


class Noted:
    """Implements ``Observer``."""

    def __init__(self) -> None:
        self.errors: list[str] = []

    def planned(self, size: int) -> None:
        """Nobody watches."""

    def moved(self, size: int) -> None:
        """Nobody watches."""

    def done(self, step: object) -> None:
        """Nobody watches."""

    def failed(self, error: object) -> None:
        self.errors.append(str(error))


def problems(s3: MemoryS3) -> Iterator[str]:
    """Mirror twice, and yield what is wrong with the copies."""
    if not _objects(s3, RESULTS):
        return
    s3.create_bucket(Bucket=COPIES)
    for _ in range(2):
        try:
            yield from _mirror(s3)
        except PenstockError as error:
            yield f"sync failed: {type(error).__name__}: {error}"
        if _objects(s3, COPIES) != _objects(s3, RESULTS):
            missing = sorted(_objects(s3, RESULTS).keys() - _objects(s3, COPIES).keys())
            yield f"sync: the copies differ from the results; {len(missing)} are missing: {missing[:3]}"


def _mirror(s3: MemoryS3) -> list[str]:
    client: Any = s3
    options, noted = SyncOptions(Filters(), delete=True), Noted()
    with (
        TemporaryDirectory() as folder,
        DigestCache(Path(folder) / "known") as known,
        PartsPool(1, PART_SIZE) as pool,
        ExitStack() as opened,
    ):
        parts = Parts(client, known, pool, options, opened).between(Prefix(RESULTS, ""), Prefix(COPIES, ""))
        tree, receiver, comparison, delivery, kind = parts
        Synchronizer(
            tree, receiver, kind, comparison, delivery, noted, options.filters, threads=1, delete=True, force=False,
            dry_run=False,
        ).run()  # fmt: skip
    return noted.errors


def _objects(s3: MemoryS3, bucket: str) -> dict[str, bytes | None]:
    keys = [key for name, key in s3.versions if name == bucket]
    return {key: found.data for key in keys if (found := s3.current(bucket, key))}
