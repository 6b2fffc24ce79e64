"""The objects of a stack, and the members of archives in them."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING

from penstock.aws.session import session
from penstock.delivery.member_store import MemberObjects
from penstock.destinations.bucket.object_store import S3ObjectStore
from penstock.limits import Budget
from penstock.model.object import Content, Published, Source, Target
from penstock.model.source import RangeReader
from penstock.routes import Routes
from penstock.wiring.passwords import passwords_of_routes

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from penstock.destinations.bucket.publish import CreateObject
    from penstock.large_jobs.ports import WorkFiles


def member_objects(
    s3: S3Client, budget: Budget, files: WorkFiles, index_spacing: int, routes: Callable[[], Routes]
) -> MemberObjects:
    """Open the objects of the buckets that a function of the stack reads and writes.

    Compressed archives are opened through their indexes in ``files``. ``routes`` name the secrets with passwords.
    """
    objects = S3ObjectStore(s3, budget, create=_LazyWriter(s3))

    def decoded(source: Source, codec: str) -> RangeReader:
        from penstock.large_jobs.decoded_ranges import DecodedArchives  # noqa: PLC0415  # few functions meet one

        return DecodedArchives(objects, files, budget, index_spacing)(source, codec)

    return MemberObjects(objects, budget, decoded, passwords_of_routes(routes))


class _LazyWriter:
    """Implements ``CreateObject``. The writer is made for the first object, because few functions meet an archive."""

    def __init__(self, s3: S3Client) -> None:
        self._s3 = s3
        self._lock = Lock()
        self._made: CreateObject | None = None

    def __call__(self, target: Target, content: Content, *, body: bytearray, crc32: int) -> Published | None:
        return self._writer()(target, content, body=body, crc32=crc32)

    def _writer(self) -> CreateObject:
        from penstock.aws.s3.direct import S3Direct  # noqa: PLC0415  # see the class
        from penstock.aws.s3.small_writer import S3SmallWriter  # noqa: PLC0415  # as above

        with self._lock:
            if self._made is None:
                ca_bundle = session().get_config_variable("ca_bundle")
                self._made = S3SmallWriter(S3Direct(self._s3, session().get_credentials(), ca_bundle))
            return self._made
