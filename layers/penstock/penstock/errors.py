"""Every error that Penstock raises on purpose.

    PenstockError
    ├── RetryableError               the same call may succeed later; the message returns to the queue
    │   ├── ServiceUnavailableError  S3, DynamoDB or SQS throttled, failed or did not answer
    │   ├── JobInProgressError       another attempt holds the lease of this job
    │   ├── LeaseLostError           another attempt took the job over; the work of this one is discarded
    │   ├── UploadInProgressError    another process uploads the same file to the same key
    │   ├── PublishConflictError     the destination changed while the result was being published
    │   │   └── UploadConflictError  the upload can no longer be completed: create a new one, resend all parts
    │   ├── CommitInDoubtError       nobody can tell yet whether a commit to a table is in
    │   ├── YieldedError             a newer version of the source is unfinished; its job runs first
    │   └── NotEnoughTimeError       the time of this invocation is nearly over; a new one may succeed
    └── PermanentError               the same call fails again until its cause is fixed
        ├── BadSourceError           the bytes are wrong; carries the byte offset in the source
        │   ├── BadHeaderError
        │   ├── CorruptSourceError
        │   ├── TruncatedSourceError
        │   ├── ChecksumMismatchError
        │   ├── EncryptedMemberError  a member of an archive is encrypted, and no password is there
        │   │   └── WrongPasswordError
        │   ├── CodecMismatchError   the content does not match its name or its route
        │   ├── HeaderRowError       column names are missing, duplicate or unreadable
        │   ├── UnclosedQuoteError   a quoted CSV field never ends, so that the rest of the file is its text
        │   ├── BadDocumentError     the content is not valid JSON or not a valid workbook
        │   └── RecordsMissingError  the file has no records at the route's path, or no sheet of its name
        ├── ExpansionLimitError      the decoded size or ratio exceeds the route's limit
        ├── WorkbookTooLargeError    an XLSX file does not fit /tmp or memory
        ├── BlockTooLargeError       a block of an Avro file, or a row group of a Parquet file, does not fit memory
        ├── SupersededError          a newer version of the source decides the result
        │   ├── SourceGoneError
        │   └── SourceChangedError
        ├── AccessDeniedError        a permission is missing; the message names it
        ├── DestinationMissingError
        ├── InvalidTableError        the route's columns do not match the file's header, or the table
        ├── SourceValueError         the key does not match the route's pattern, or a value of the source its column
        ├── TooManyRejectsError      more records were rejected than the route allows
        ├── MembersFailedError       members of an archive were not delivered; the message names them
        ├── AttemptsExhaustedError   the function was killed, or its event failed, in all allowed attempts
        ├── IncompleteJobError       receipts, parts or bytes are missing when a job finishes
        ├── RequestRefusedError      the service refused the request for another reason
        ├── FileError                a local file or folder cannot be read or written
        │   ├── FileChangedError     another process changed it in the meantime
        │   ├── NameTakenError       a folder has the name of a file to write, or a file that of a folder
        │   └── DiskFullError
        ├── TimeLimitError           the work does not fit in one invocation
        ├── OutputTooLargeError      the output is larger than a multipart upload can hold
        ├── CorruptIndexError        the stored index is damaged
        ├── UnknownJobError          no job matches the name, or more than one does
        ├── JobStandsError           the state of the job does not allow a redrive
        ├── UnsortedListingError     a service promises sorted listings, but sends unsorted ones
        └── ConfigurationError
            ├── EmptySourceError     --delete would delete all files
            ├── StateFileError       the saved state of an upload is damaged, or of another version
            ├── InvalidEventError
            ├── InvalidRouteError    names the route and the field
            └── DestinationLoopError the destination would trigger a route again

The state machine and the queue distinguish the two branches by class, never by text.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = [
    "AccessDeniedError",
    "AttemptsExhaustedError",
    "BadDocumentError",
    "BadHeaderError",
    "BadSourceError",
    "BlockTooLargeError",
    "ChecksumMismatchError",
    "CodecMismatchError",
    "CommitInDoubtError",
    "ConfigurationError",
    "CorruptIndexError",
    "CorruptSourceError",
    "DestinationLoopError",
    "DestinationMissingError",
    "DiskFullError",
    "EmptySourceError",
    "EncryptedMemberError",
    "ExpansionLimitError",
    "FileChangedError",
    "FileError",
    "HeaderRowError",
    "IncompleteJobError",
    "InvalidEventError",
    "InvalidRouteError",
    "InvalidTableError",
    "JobInProgressError",
    "JobStandsError",
    "LeaseLostError",
    "MembersFailedError",
    "NameTakenError",
    "NotEnoughTimeError",
    "OutputTooLargeError",
    "PenstockError",
    "PermanentError",
    "PublishConflictError",
    "RecordsMissingError",
    "RequestRefusedError",
    "RetryableError",
    "ServiceUnavailableError",
    "SourceChangedError",
    "SourceGoneError",
    "SourceValueError",
    "StateFileError",
    "SupersededError",
    "TimeLimitError",
    "TooManyRejectsError",
    "TruncatedSourceError",
    "UnclosedQuoteError",
    "UnknownJobError",
    "UnsortedListingError",
    "UploadConflictError",
    "UploadInProgressError",
    "WorkbookTooLargeError",
    "WrongPasswordError",
    "YieldedError",
]


class PenstockError(Exception):
    """Base of all errors. ``hint`` says what to do; empty if the message says it."""

    default_hint = ""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint or self.default_hint

    def __str__(self) -> str:
        return self.message


@contextmanager
def noting(first: PenstockError, what: str, failures: type[PenstockError] = PenstockError) -> Iterator[None]:
    """Add an error raised in this block to ``first`` as a note, so that it does not hide the first error."""
    try:
        yield
    except failures as failed:
        first.add_note(f"{what}: {failed}")


class RetryableError(PenstockError):
    """A retry of the same call may succeed."""


class PermanentError(PenstockError):
    """A retry of the same call fails again."""


class ServiceUnavailableError(RetryableError):
    default_hint = "The service still throttled or failed after all retries. The message will be retried."


class JobInProgressError(RetryableError):
    """Another attempt holds the lease. ``retry_after`` is the number of seconds until the lease expires."""

    default_hint = "The attempt that holds the lease finishes the job. This copy of the event then does nothing."

    def __init__(self, message: str, *, retry_after: float, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class LeaseLostError(RetryableError):
    default_hint = "Another attempt took the job over. This attempt published nothing."


class UploadInProgressError(RetryableError):
    default_hint = "Wait until the other process ends, or end it. Then run the same command again."


class PublishConflictError(RetryableError):
    default_hint = "Another writer changed the destination at the same time. The job will be retried."


class UploadConflictError(PublishConflictError): ...


class CommitInDoubtError(RetryableError): ...


class YieldedError(RetryableError):
    default_hint = "Nothing to do. The job is retried automatically if the newer job fails."

    def __init__(self, message: str, *, newer: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.newer = newer  # the id of the job of the newer version


class NotEnoughTimeError(RetryableError):
    default_hint = "Another message of the same batch used the time. This message returns to the queue."


class BadSourceError(PermanentError):
    """The source's bytes are wrong. ``offset`` counts bytes from its start: of the encoded source for codecs, of the
    decoded source for parsers. ``source`` is the URI. Codecs and parsers know only offsets; the pipeline adds the URI,
    and if the source is a member of an archive, replaces the default hint by ``member_hint``.
    """

    default_hint = "Ask the sender for a new copy, and upload it under the same key."
    member_hint = (
        "Ask the sender for the member again, in another archive: a new version of this one delivers all members again."
    )

    def __init__(self, reason: str, *, offset: int, source: str = "", hint: str = "") -> None:
        super().__init__(reason, hint=hint)
        self.offset = offset
        self.source = source

    def name_source(self, uri: str, *, is_member: bool) -> None:
        """Add the URI of the source; ``is_member``: it is a member of an archive."""
        self.source = uri
        if is_member and self.hint == self.default_hint:
            self.hint = self.member_hint

    def __str__(self) -> str:
        where = f"{self.source}: " if self.source else ""
        return f"{where}{self.message} (at byte {self.offset:,})"


class BadHeaderError(BadSourceError): ...


class CorruptSourceError(BadSourceError): ...


class TruncatedSourceError(BadSourceError):
    default_hint = "The upload to the source bucket was incomplete. Upload the complete file again."


class ChecksumMismatchError(BadSourceError): ...


class EncryptedMemberError(BadSourceError):
    default_hint = member_hint = "Give the password: password_secret in the archive's route, or --password-file."


class WrongPasswordError(EncryptedMemberError):
    default_hint = member_hint = "Correct the secret of the archive's route (password_secret), or the --password-file."


class CodecMismatchError(BadSourceError):
    default_hint = "Rename the object to match its content, or set the route's codec."
    member_hint = "Set the codec of the member's route, or ask the sender to name the member by its content."


class HeaderRowError(BadSourceError):
    default_hint = member_hint = "Correct the header row, or name the columns in the route (parse.columns)."


class UnclosedQuoteError(BadSourceError):
    default_hint = member_hint = "Close the quote, double it if it is text, or set another parse.quote in the route."


class BadDocumentError(BadSourceError): ...


class RecordsMissingError(BadSourceError):
    default_hint = member_hint = "Correct parse.records or parse.sheet in the route, or correct the file."


class ExpansionLimitError(PermanentError):
    default_hint = "If the size of the file is expected, increase max_ratio or max_bytes of the route."


class WorkbookTooLargeError(PermanentError):
    default_hint = "Give the function more memory and more /tmp (EphemeralStorage), or send CSV instead of XLSX."


class BlockTooLargeError(PermanentError):
    default_hint = "Give the function more memory (MemorySize), or let the sender write smaller blocks or row groups."


class SupersededError(PermanentError):
    default_hint = "The job of the newer event decides the result. If that job failed, redrive it."


class SourceGoneError(SupersededError):
    default_hint = "The source was deleted before it was read. If that was a mistake, upload it again."


class SourceChangedError(SupersededError): ...


class AccessDeniedError(PermanentError):
    """``right`` is the missing IAM action and its resource, or the missing database privilege and its object."""

    def __init__(self, right: str, *, detail: str = "", hint: str = "") -> None:
        advice = f"Grant {right} to the role, in the bucket or key policy too; `penstock doctor` shows what lacks."
        super().__init__(f"access denied: {right}" + (f" ({detail})" if detail else ""), hint=hint or advice)
        self.right = right


class DestinationMissingError(PermanentError):
    default_hint = "Create the destination bucket, or correct the route's destination."


class InvalidTableError(PermanentError):
    default_hint = "Correct the route's columns, the table or the file's header."


class SourceValueError(PermanentError):
    default_hint = "Upload the file under another key, or correct the route's key_pattern or the column."


class TooManyRejectsError(PermanentError):
    default_hint = "Fix the listed records and upload the file again, or increase the route's max_rejects."


class MembersFailedError(PermanentError):
    default_hint = (
        "The other members are delivered. Fix the cause, then retry the job with `penstock redrive`: it delivers the "
        "missing members only. If a member is bad, upload it corrected in another archive: a new version of this one "
        "delivers all members again."
    )


class AttemptsExhaustedError(PermanentError):
    default_hint = "Its log shows how each attempt ended. Give the function more memory or time, then redrive the job."


class IncompleteJobError(PermanentError):
    default_hint = "Nothing was published. Retry the job with `penstock redrive`."


class RequestRefusedError(PermanentError): ...


class FileError(PermanentError): ...


class FileChangedError(FileError):
    default_hint = "Run the command again when no process writes to the file."


class NameTakenError(FileError):
    default_hint = "Move the existing file or folder away. If the source does not have it, sync --delete deletes it."


class DiskFullError(FileError):
    default_hint = "Free disk space and run the command again. Downloaded data is kept and is not downloaded again."


class TimeLimitError(PermanentError):
    default_hint = "Give the function more memory (CPU grows with it) or a longer timeout, or send smaller files."


class OutputTooLargeError(PermanentError):
    default_hint = "Give the function more memory: the part size grows with it."


class CorruptIndexError(PermanentError):
    default_hint = "Delete the source's index from the work bucket. The next job builds a new index."


class UnknownJobError(PermanentError):
    default_hint = "List the jobs with `penstock jobs`."


class JobStandsError(PermanentError):
    default_hint = "To process the source anyway, upload it again: that creates a new job."


class UnsortedListingError(PermanentError):
    default_hint = "Nothing was deleted. Report the service and the type of bucket to Penstock's authors."


class ConfigurationError(PermanentError): ...


class EmptySourceError(ConfigurationError):
    default_hint = "Check the name of the source. To delete all files, add --force."

    def __init__(self, message: str, *, count: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.count = count  # files that would be deleted


class StateFileError(ConfigurationError):
    default_hint = "Start over with --restart. `penstock uploads s3://bucket/key` lists open uploads of earlier runs."


class InvalidEventError(ConfigurationError):
    default_hint = "Send an S3 notification, an SQS batch of S3 notifications or an EventBridge 'Object Created' event."


class InvalidRouteError(ConfigurationError): ...


class DestinationLoopError(InvalidRouteError):
    default_hint = "Send the output to another bucket, or to a prefix that no route matches."
