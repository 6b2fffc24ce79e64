"""`penstock backfill` on S3, SQS, DynamoDB and the files of this machine."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from penstock.aws.cli_errors import cli_errors
from penstock.aws.jobs_table.listed_jobs import ListedJobs
from penstock.aws.queue import SqsNotifications
from penstock.aws.stack_outputs import StackOutputs, read_stack_outputs
from penstock.backfill.forecasting import forecast
from penstock.backfill.model import BackfillCounts, Forecast
from penstock.backfill.ports import Estimated, Estimator, Observer, Origin
from penstock.backfill.s3_heads import S3Heads
from penstock.backfill.s3_inventory import S3Inventory
from penstock.backfill.s3_listing import S3Objects
from penstock.backfill.selection import Selection
from penstock.backfill.sending import Sender
from penstock.backfill.state import BackfillState, from_text, to_text
from penstock.backfill.uri_file import UriFile
from penstock.errors import ConfigurationError, PermanentError, StateFileError
from penstock.explain.costs import COLD_SECONDS, THOUSAND
from penstock.explain.explanation import SourcePreview, StackEnvironment
from penstock.explain.explanation import forecast as forecast_job
from penstock.explain.prices import Prices, listed_prices
from penstock.files.state_file import DiskStateFile, hold_state
from penstock.limits import Budget
from penstock.model.identity import digest
from penstock.model.job import Job
from penstock.model.object import Target
from penstock.wiring.cli import CliClients, read_routes, stack_environment

__all__ = ["BackfillCounts", "BackfillRequest", "CliClients", "Forecast", "Observer", "OpenBackfill", "open_backfill"]

# The template's value of MaximumConcurrency.
CONCURRENCY = 5
# What a small job takes of a warm function in addition to its bytes: seven requests to S3, DynamoDB and SQS of 10 to
# 20 ms each.
JOB_SECONDS = 0.1
# Bytes of a record, for destinations that charge each row: the objects are not opened.
RECORD_BYTES = 100.0


@dataclass(frozen=True, slots=True)
class BackfillRequest:
    """What a user asked for.

    ``below`` is a bucket and a prefix, ``inventory`` the URI of a manifest, ``file`` a file of URIs. ``asked`` are the
    texts of all options that decide which objects are sent, ``rate`` is in objects a second.
    """

    below: Target | None
    inventory: str
    file: Path | None
    since: float | None
    until: float | None
    routes: tuple[str, ...]
    patterns: tuple[str, ...]
    again: bool
    rate: float
    asked: tuple[str, ...]


class OpenBackfill:
    """A backfill whose state file, if any, is held by this process."""

    def __init__(self, clients: CliClients, stack: str, request: BackfillRequest) -> None:
        self._clients = clients
        self._stack = stack
        self._request = request
        self._file: DiskStateFile | None = None
        self._found: BackfillState | None = None

    @cached_property
    def _deployed(self) -> StackOutputs:
        with cli_errors(f"cloudformation:DescribeStacks on {self._stack}"):
            return read_stack_outputs(self._clients.cloudformation(), self._stack)

    @cached_property
    def _environment(self) -> StackEnvironment:
        return stack_environment(self._clients, self._stack)

    @cached_property
    def _origin(self) -> Origin:
        request = self._request
        s3 = self._clients.s3(Budget.of(self._environment.memory))
        if request.file:
            return UriFile(request.file, S3Heads(s3))
        if request.inventory:
            return S3Inventory(s3, request.inventory, S3Heads(s3), below=request.below)
        if request.below is None:
            raise ConfigurationError("no objects are named", hint="Give s3://bucket/prefix, --inventory or --from.")
        return S3Objects(s3, request.below.bucket, request.below.key)

    @cached_property
    def state_name(self) -> str:
        """The name of the state file, by everything that decides what is sent."""
        origin = self._origin
        with cli_errors("the inventory"):
            content = getattr(origin, "digest", "")
        return digest(self._stack, self._clients.endpoint_url, *self._request.asked, content)

    @property
    def resumed(self) -> BackfillState | None:
        """The state of an earlier run that did not end."""
        return self._found

    def resume(self, file: DiskStateFile) -> None:
        """Use a state file. Raises StateFileError if it is that of another backfill."""
        self._file = file
        text = file.load()
        if text is None:
            return
        state = from_text(text, file.path)
        if state.options != self.state_name:
            raise StateFileError(f"{file.path} is the state of a backfill with other options")
        # An origin without positions starts over: what was sent is on record.
        self._found = state if state.position else replace(state, counts=BackfillCounts())

    def forecast(self, counted: Callable[[int], None]) -> Forecast:
        """Read the origin once."""
        request, prices = self._request, listed_prices()
        selection = self._selection(request.since, request.until, "")
        with cli_errors("the listing"):
            return forecast(
                self._origin,
                selection,
                estimator(self._environment, prices),
                rate=request.rate,
                concurrency=self._concurrency,
                prices=(prices.s3.thousand_puts / THOUSAND, prices.s3.thousand_gets / THOUSAND),
                counted=counted,
            )

    def run(self, expected: Forecast | None, observer: Observer) -> BackfillCounts:
        """Send what is left, and remove the state. ``expected`` is None for a backfill that is resumed."""
        request = self._request
        state = self._found or BackfillState(
            self.state_name,
            since=request.since,
            until=request.until,
            again=uuid.uuid4().hex if request.again else "",
            entries=expected.entries if expected else 0,
            backlog=expected.backlog if expected else 0,
            began=time.time(),
        )
        client = self._clients.client
        sender = Sender(
            SqsNotifications(client("sqs"), self._output("QueueUrl")),
            ListedJobs(client("dynamodb"), self._output("JobsTableName")),
            self._selection(state.since, state.until, state.again),
            observer,
            save=self._save,
            rate=request.rate,
        )
        with cli_errors("the queue"):
            counts = sender(self._origin, state)
        if self._file:
            self._file.remove()
        return counts

    def _save(self, state: BackfillState) -> None:
        if self._file:
            self._file.save(to_text(state))

    def _selection(self, since: float | None, until: float | None, again: str) -> Selection:
        environment, request = self._environment, self._request
        _, routes = read_routes(self._clients, environment.routes_uri, environment.names, environment.buckets)
        return Selection(routes, since, until, request.routes, request.patterns, again, environment.buckets)

    @property
    def _concurrency(self) -> int:
        return int(self._deployed.parameters.get("MaximumConcurrency") or CONCURRENCY)

    def _output(self, name: str) -> str:
        try:
            return self._deployed.outputs[name]
        except KeyError as error:
            raise ConfigurationError(
                f"stack {self._stack} has no output {name}: it is not a stack of Penstock"
            ) from error


@contextmanager
def open_backfill(
    clients: CliClients, stack: str, request: BackfillRequest, *, state: Path | None, restart: bool, keep: bool
) -> Iterator[OpenBackfill]:
    """Open a backfill, and hold its state file until the block ends, unless ``keep`` is false.

    ``state`` replaces the file in the user's data directory. Raises UploadInProgressError while another process holds
    it, StateFileError and ConfigurationError.
    """
    opened = OpenBackfill(clients, stack, request)
    if not keep:
        yield opened
        return
    file = state or backfill_states() / f"{opened.state_name}.json"
    with hold_state(file, "the same backfill", "being sent") as held:
        if restart:
            held.remove()
        opened.resume(held)
        yield opened


def backfill_states() -> Path:
    """Return the folder for states of unfinished backfills, in the user's data directory."""
    from platformdirs import user_data_path  # noqa: PLC0415  # the command's, not in the layer

    return user_data_path("penstock", appauthor=False) / "backfills"


def estimator(environment: StackEnvironment, prices: Prices) -> Estimator:
    """Estimate jobs by the rules of the functions, which are warm during a backfill."""

    def estimate(job: Job) -> Estimated:
        try:
            expected = forecast_job(job, SourcePreview(record=RECORD_BYTES), environment)
        except PermanentError:
            return Estimated(JOB_SECONDS, is_large=False, dollars=0.0)  # the job fails, and says why
        usage: Any = expected.usage
        if not expected.by_state_machine:
            usage = replace(usage, seconds=usage.seconds - COLD_SECONDS + JOB_SECONDS)
        return Estimated(expected.seconds + JOB_SECONDS, expected.by_state_machine, usage.dollars(prices))

    return estimate
