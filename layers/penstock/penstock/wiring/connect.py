"""`penstock.connect` for the command: a bucket, a stack and the credentials of both."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path

from penstock.aws.access import Access
from penstock.aws.bucket_settings import S3BucketSettings
from penstock.aws.cli_errors import RUN_AGAIN, cli_errors
from penstock.aws.event_rules import EventBridgeRules
from penstock.aws.key_access import KmsKeys
from penstock.aws.queue_policy import SqsQueuePolicy
from penstock.aws.stack_outputs import StackOutputs, read_stack_outputs
from penstock.aws.topics import SnsTopics
from penstock.connect import record
from penstock.connect.applying import Applier
from penstock.connect.findings import Finding, Level, changes_of, deployment, in_place
from penstock.connect.model import Connection, Side, StackTarget, Via
from penstock.connect.ports import Services
from penstock.connect.removing import Remover
from penstock.connect.showing import Shown, show
from penstock.errors import ConfigurationError, FileError
from penstock.files.state_file import DiskStateFile

__all__ = ["Access", "Connection", "Connector", "Finding", "Level", "Shown", "Side", "Via", "deployment", "in_place"]

_LISTS = ("SourceBucketNames", "DestinationBucketNames", "BucketKmsKeyArns", "SourceTopicArns")


@dataclass(frozen=True)
class Connector:
    """One connection. ``access`` is for the stack, ``bucket_access`` for the bucket and its key and topic.

    ``backup`` is the file of the record; None for one in the user's data directory.
    Every method raises AccessDeniedError, ServiceUnavailableError and ConfigurationError.
    """

    access: Access
    bucket_access: Access
    stack: str
    connection: Connection
    backup: Path | None = None

    @cached_property
    def target(self) -> StackTarget:
        """The stack. Raises ConfigurationError if it is not a stack of this release of Penstock."""
        with cli_errors(f"stack {self.stack}", again=RUN_AGAIN):
            return stack_target(self.stack, read_stack_outputs(self.access.client("cloudformation"), self.stack))

    @cached_property
    def record_file(self) -> RecordFile:
        """The file of what stood before."""
        if self.backup:
            return RecordFile(self.backup)
        from platformdirs import user_data_path  # noqa: PLC0415  # the command's, not in the layer

        target, side = self.target, self.connection.side
        name = f"{target.name}-{target.account}-{target.region}-{side}-{self.connection.bucket}.json"
        return RecordFile(user_data_path("penstock", appauthor=False) / "connections" / name)

    @property
    def kept(self) -> str:
        """The path of that file; empty if nothing was kept."""
        return self.record_file.path if Path(self.record_file.path).exists() else ""

    def show(self) -> Shown:
        """Check everything, and change nothing."""
        return show(self._bucket, self._services, self.connection, self.target)

    def apply(self, shown: Shown) -> Iterator[str]:
        """Set what is missing, and yield what was done. Raises PublishConflictError."""
        if shown.services and (changes := changes_of(shown.findings)):
            yield from self._applier(shown.services).apply(changes, self.connection.prefix)

    def remove(self) -> Iterator[str]:
        """Undo what `apply` has set. Raises PublishConflictError; ConfigurationError if there is no such bucket."""
        region = self._bucket.region()
        if region is None:
            raise ConfigurationError(f"s3://{self.connection.bucket} does not exist", hint="Correct the name.")
        services = self._services(region)
        yield from Remover(services, self._applier(services), self.connection, self.target).remove()

    @cached_property
    def _bucket(self) -> S3BucketSettings:
        return self._settings(self.bucket_access.region or self.target.region)

    def _settings(self, region: str) -> S3BucketSettings:
        client = self.bucket_access.client("s3", region=region)
        sts = partial(self.bucket_access.client, "sts", region=region)
        return S3BucketSettings(client, sts, self.connection.bucket)

    def _services(self, region: str) -> Services:
        # One session for each set of credentials: another one would ask for another code of a profile with MFA.
        there, here = self.bucket_access, self.access
        return Services(
            bucket=self._settings(region),
            keys=KmsKeys(partial(there.client, "kms", region=region)),
            topics=SnsTopics(partial(there.client, "sns", region=region)),
            rules=EventBridgeRules(partial(there.client, "events", region=region)),
            queue=SqsQueuePolicy(partial(here.client, "sqs", region=self.target.region), self.target.queue_url),
            subscriber=SnsTopics(partial(here.client, "sns", region=region)),
            stack_rules=EventBridgeRules(partial(here.client, "events", region=self.target.region)),
        )

    def _applier(self, services: Services) -> Applier:
        target, connection = self.target, self.connection
        name = f"{connection.bucket} as {connection.side} of {target.account}/{target.region}/{target.name}"
        loaded = record.load(self.record_file, name)
        return Applier(services, self.record_file, loaded, now=_now, sleep=time.sleep)


class RecordFile(DiskStateFile):
    """Implements ``RecordFile``: a file that is private to the user, in a folder that may not exist yet."""

    def save(self, text: str) -> None:
        """Raises FileError before anything of AWS is changed."""
        try:
            Path(self.path).parent.mkdir(parents=True, exist_ok=True)
            super().save(text)
        except OSError as error:
            raise FileError(f"{self.path} cannot be written: {error.strerror}", hint=_CHOOSE) from error
        except FileError as error:
            error.hint = _CHOOSE
            raise


_CHOOSE = "Nothing was changed. Choose a writable path with --backup FILE."


def stack_target(stack: str, deployed: StackOutputs) -> StackTarget:
    """Raises ConfigurationError if the outputs are not those of this release."""
    outputs, parameters = deployed.outputs, deployed.parameters
    missing = [
        name for name in ("QueueArn", "QueueUrl", "SourceRoleArns", "DestinationRoleArns") if name not in outputs
    ]
    if missing:
        raise ConfigurationError(
            f"stack {stack} has no output {missing[0]}: it is no stack of Penstock, or of an earlier release",
            hint="Check --stack, or deploy this release first.",
        )
    partition, _, region, account = outputs["QueueArn"].split(":")[1:5]
    return StackTarget(
        name=stack,
        partition=partition,
        region=region,
        account=account,
        queue_arn=outputs["QueueArn"],
        queue_url=outputs["QueueUrl"],
        roles={
            Side.SOURCE: _listed(outputs, "SourceRoleArns"),
            Side.DESTINATION: _listed(outputs, "DestinationRoleArns"),
        },
        buckets={
            Side.SOURCE: _listed(outputs, "AllSourceBucketNames"),
            Side.DESTINATION: _listed(outputs, "AllDestinationBucketNames"),
        },
        keys=(*_listed(parameters, "BucketKmsKeyArns"), *_listed(outputs, "StackKmsKeyArn")),
        parameters={name: _listed(parameters, name) for name in _LISTS},
        after_actions=parameters.get("AfterActions", "none"),
        after_roles=_listed(outputs, "AfterRoleArn"),
    )


def _listed(values: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(filter(None, values.get(name, "").split(",")))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
