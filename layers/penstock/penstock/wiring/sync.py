"""The parts of `penstock sync` and of the object cache. This module is quick to import."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from penstock.aws.access import Access
from penstock.aws.endpoint import endpoint_of
from penstock.aws.s3.parts_pool import PartsPool
from penstock.aws.s3.transfer_client import transfer_client
from penstock.errors import FileError
from penstock.files.open_folder import OpenFolder
from penstock.limits import MIB
from penstock.sync.cached_digests import CachedMetadata, Digests
from penstock.sync.compare import Comparison, ExactTimestamps, FileWithObject, ObjectWithObject
from penstock.sync.digest_cache import DigestCache
from penstock.sync.filters import Filters
from penstock.sync.local_tree import LocalFolder
from penstock.sync.locations import Folder, Prefix, check, parse
from penstock.sync.model import LocalFile
from penstock.sync.ports import Receiver, Tree
from penstock.sync.run import Observer, StepKind, Summary, Synchronizer
from penstock.sync.s3_download import DownloadFolder
from penstock.sync.s3_listing import S3Listing
from penstock.sync.s3_receiver import ReceivingPrefix
from penstock.sync.s3_send import S3Sender
from penstock.sync.transfers import FileTransfer, ObjectTransfer, Transfer

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from penstock.sync.cache import Cache

# The part size of the aws command and boto3, so that objects of all three get the same ETag.
PART_SIZE = 8 * MIB


@dataclass(frozen=True, slots=True)
class Service:
    """Account, region and endpoint. Empty values follow boto3's own rules."""

    profile: str = ""
    region: str = ""
    endpoint_url: str = ""


@dataclass(frozen=True, slots=True)
class SyncOptions:
    """The options of a sync. Memory: 256 KiB for each of 2 x ``threads``, and 2 MiB for each listing."""

    filters: Filters
    size_only: bool = False
    exact_timestamps: bool = False
    delete: bool = False
    force: bool = False
    dry_run: bool = False
    follow_symlinks: bool = True
    threads: int = 8


def sync(source: str, destination: str, service: Service, options: SyncOptions, observer: Observer) -> Summary:
    """Make ``destination`` equal to ``source``; either is a folder or ``s3://bucket/prefix``, not both a folder.

    ``force``: delete everything, even if the source is empty.

    Raises ConfigurationError, EmptySourceError, FileError, DiskFullError, UnsortedListingError,
    DestinationMissingError, AccessDeniedError and ServiceUnavailableError for errors that concern all files;
    ``observer`` receives the errors of single files.
    """
    locations = parse(source), parse(destination)
    check(*locations)
    with (
        _client(service, options.threads) as client,
        digest_cache(client) as known,
        PartsPool(options.threads, PART_SIZE) as pool,
        ExitStack() as opened,
    ):
        tree, receiver, comparison, delivery, kind = Parts(client, known, pool, options, opened).between(*locations)
        return Synchronizer(
            tree,
            receiver,
            kind,
            Comparison() if options.size_only else comparison,
            delivery,
            observer,
            options.filters,
            threads=options.threads,
            delete=options.delete,
            force=options.force,
            dry_run=options.dry_run,
        ).run()


@contextmanager
def object_cache(bucket: str, prefix: str, path: str, service: Service, threads: int) -> Iterator[Cache]:
    """Open a cache of ``s3://bucket/prefix`` in a folder, with its threads and files. Its counts start at 0."""
    from penstock.sync.cache import Cache  # noqa: PLC0415  # as above
    from penstock.sync.dedup import Counts, DedupDownloads, DedupUploads  # noqa: PLC0415  # as above
    from penstock.sync.file_locks import FileLocks  # noqa: PLC0415  # the command does not need these

    with (
        _client(service, threads) as client,
        digest_cache(client) as known,
        PartsPool(threads, PART_SIZE) as pool,
        ExitStack() as opened,
    ):
        folder, listing, counts = LocalFolder(path, must_exist=False), S3Listing(client, bucket, prefix), Counts()
        receiving = opened.enter_context(closing(OpenFolder(path)))
        facts, digests = CachedMetadata(listing, known), Digests(folder, known)
        comparison, locks = FileWithObject(digests, facts), FileLocks(user_cache() / "locks")
        down = DownloadFolder(client, folder, receiving, pool)
        up = ReceivingPrefix(client, listing, S3Sender(client, pool), folder)
        yield Cache(
            down,
            listing,
            comparison,
            DedupDownloads(down, comparison, known, locks, ObjectTransfer(down, facts), counts),
            DedupUploads(bucket, prefix, listing, up, comparison, known, locks, FileTransfer(up, digests), counts),
            known,
            counts,
        )


def file_outside(path: str) -> LocalFile:
    """Return any regular file. Raises FileError."""
    folder, _, name = os.path.abspath(path).rpartition(os.sep)  # noqa: PTH100  # resolve() would rename a link
    found = LocalFolder(folder or os.sep).look(name)
    if found is None:
        raise FileError(f"{path}: no such file")
    return found


def user_cache() -> Path:
    """Return the folder for cached data of this user."""
    from platformdirs import user_cache_path  # noqa: PLC0415  # the command's, not in the layer

    return user_cache_path("penstock", appauthor=False)


def digest_cache(client: S3Client) -> DigestCache:
    """Open the cached digests of this user's files and the cached metadata of this service's objects."""
    return DigestCache(user_cache() / "known-1.sqlite", endpoint_of(client))


@contextmanager
def _client(service: Service, threads: int) -> Iterator[S3Client]:
    # A part is sent to its connection in one piece, which takes time on a slow line.
    access = Access(service.profile, service.region, service.endpoint_url)
    with closing(transfer_client(access, 2 * threads + 2, send_seconds=60)) as client:
        yield client


class Between(NamedTuple):
    """The parts that depend on the direction."""

    tree: Tree
    receiver: Receiver
    comparison: Comparison
    delivery: Transfer
    kind: StepKind


@dataclass(frozen=True)
class Parts:
    """What a sync is made of, by its direction."""

    client: S3Client
    known: DigestCache
    pool: PartsPool
    options: SyncOptions
    opened: ExitStack

    def between(self, source: Folder | Prefix, destination: Folder | Prefix) -> Between:
        if isinstance(source, Folder) and isinstance(destination, Prefix):
            return self._up(source, destination)
        if isinstance(source, Prefix) and isinstance(destination, Folder):
            return self._down(source, destination)
        if isinstance(source, Prefix) and isinstance(destination, Prefix):
            return self._across(source, destination)
        raise TypeError("expected at least one prefix in S3")

    def _up(self, source: Folder, destination: Prefix) -> Between:
        tree = LocalFolder(source.path, follow=self.options.follow_symlinks)
        listing = self._listing(destination)
        receiver = ReceivingPrefix(self.client, listing, S3Sender(self.client, self.pool), tree)
        digests = Digests(tree, self.known)
        comparison = FileWithObject(digests, CachedMetadata(listing, self.known))
        return Between(tree, receiver, comparison, FileTransfer(receiver, digests), StepKind.UPLOAD)

    def _down(self, source: Prefix, destination: Folder) -> Between:
        exact = self.options.exact_timestamps
        tree = self._listing(source)
        folder = LocalFolder(destination.path, follow=self.options.follow_symlinks, must_exist=False)
        receiving = self.opened.enter_context(closing(OpenFolder(destination.path)))
        receiver = DownloadFolder(self.client, folder, receiving, self.pool, object_times=exact)
        facts = CachedMetadata(tree, self.known)
        comparison = ExactTimestamps() if exact else FileWithObject(Digests(folder, self.known), facts)
        return Between(tree, receiver, comparison, ObjectTransfer(receiver, facts), StepKind.DOWNLOAD)

    def _across(self, source: Prefix, destination: Prefix) -> Between:
        tree = self._listing(source)
        receiver = ReceivingPrefix(self.client, self._listing(destination), S3Sender(self.client, self.pool))
        facts = CachedMetadata(tree, self.known)
        return Between(tree, receiver, ObjectWithObject(facts), ObjectTransfer(receiver, facts), StepKind.COPY)

    def _listing(self, prefix: Prefix) -> S3Listing:
        return S3Listing(self.client, prefix.bucket, prefix.prefix)
