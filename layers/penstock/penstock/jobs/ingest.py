"""Processes an event: runs the job of each source, and reports the messages that must be delivered again."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TypeGuard

from penstock.destinations import destination_named
from penstock.errors import ConfigurationError, InvalidEventError, PenstockError, noting
from penstock.jobs.events import Message, read_event
from penstock.jobs.ports import MessageQueue
from penstock.jobs.postponing import postponed_seconds
from penstock.jobs.runner import JobRunner, Outcome
from penstock.limits import SMALL_OBJECT
from penstock.model.job import Job
from penstock.model.job_status import JobState
from penstock.model.member import NO_MEMBERS
from penstock.model.object import Source
from penstock.model.route import Route
from penstock.model.source import Deadline
from penstock.routes import Routes, destination_of

LoadTogether = Callable[[Sequence[Job], Deadline], Mapping[str, Outcome]]
"""Runs several small jobs together. Returns the outcomes of the jobs that it finished, by job id."""


def no_small_batches(jobs: Sequence[Job], deadline: Deadline) -> Mapping[str, Outcome]:  # noqa: ARG001  # none of them
    """Leave every job to be run separately."""
    return {}


@dataclass(frozen=True, slots=True)
class Report:
    """The result of an event. ``returned`` are the ids of the messages that must be delivered again."""

    outcomes: tuple[Outcome, ...]
    returned: tuple[str, ...]
    problems: tuple[InvalidEventError, ...]
    queued: bool


@dataclass(frozen=True, slots=True)
class Ingest:
    """Runs the jobs of all sources of an event: small ones for tables together, then the others separately.

    The smallest message comes first, so that no source waits for a large one.
    """

    runner: JobRunner
    queue: MessageQueue
    routes: Callable[[], Routes]
    together: LoadTogether = no_small_batches
    jitter: Callable[[], float] = random.random

    def handle(self, event: object, deadline: Deadline) -> Report:
        """Process an event.

        For an event that invoked the function directly, without a queue, the first RetryableError is raised, so that
        Lambda retries the call. Raises InvalidEventError and InvalidRouteError, which a retry cannot fix.
        """
        messages = read_event(event)
        queued = any(message.id for message in messages)
        returned = [message.id for message in messages if message.problem]
        problems = tuple(message.problem for message in messages if message.problem)
        if not any(message.sources for message in messages):
            return Report((), tuple(returned), problems, queued)
        routes = self._routes_for(messages)
        new = [source for message in messages for source in message.sources if not message.job_id]
        together = self._take_together(new, routes, deadline)
        outcomes: list[Outcome] = []
        fresh = not together
        for message in sorted(messages, key=_total_size):
            done: list[Outcome] = []
            for source in message.sources:
                # A second message of the same source finds the job done, as in an invocation of its own.
                outcome = together.pop(source, None) or self.runner.take(
                    source, routes, deadline, fresh=fresh, job_id=message.job_id, receives=message.receives
                )
                fresh = False
                done.append(outcome)
            outcomes += done
            if retry := next((outcome.retry for outcome in done if outcome.retry), None):
                if not queued:
                    raise retry
                returned.append(message.id)
                self._postpone(message, retry)
        return Report(tuple(outcomes), tuple(returned), problems, queued)

    def _routes_for(self, messages: Iterable[Message]) -> Routes:
        try:
            return self.routes()
        except ConfigurationError as error:
            # The invocation fails, which raises an alarm. The messages need not wait as long as after a crash.
            for message in messages:
                self._postpone(message, error)
            raise

    def _take_together(self, sources: Sequence[Source], routes: Routes, deadline: Deadline) -> dict[Source, Outcome]:
        small = [source for source in sources if source.size <= SMALL_OBJECT]
        routed = [(source, routes.route_of(source)) for source in small]
        jobs = [Job(source, route, destination_of(route, source)) for source, route in routed if _is_shared(route)]
        found = self.together(jobs, deadline) if len(jobs) > 1 else {}
        return {outcome.source: outcome for outcome in found.values()}

    def _postpone(self, message: Message, retry: PenstockError) -> None:
        if not message.id:
            return
        seconds = postponed_seconds(message.receives, self.jitter(), retry)
        # If this fails, the message still returns, after the visibility timeout of the queue.
        with noting(retry, "the message could not be postponed"):
            self.queue.postpone(message.queue_arn, message.receipt_handle, seconds)


def _is_shared(route: Route | None) -> TypeGuard[Route]:
    return route is not None and not route.takes_apart and destination_named(route.store).shares_commits


def summarise(report: Report) -> dict[str, object]:
    """Return the response of the function: the failed items of a batch for SQS, the jobs for a direct caller."""
    if report.queued:
        return {"batchItemFailures": [{"itemIdentifier": id_} for id_ in report.returned]}
    return {"jobs": [_summary(outcome) for outcome in report.outcomes]}


def _summary(outcome: Outcome) -> dict[str, object]:
    summary: dict[str, object] = {
        "source": outcome.source.uri,
        "state": str(outcome.state or JobState.WAITING),
        "job": outcome.job_id,
        "route": outcome.route,
        "target": outcome.target,
        "repeat": outcome.repeat,
        "seconds": round(outcome.seconds, 3),
    }
    if receipt := outcome.receipt:
        summary |= {
            "codec": receipt.codec,
            "bytes_in": receipt.bytes_in,
            "bytes_out": receipt.bytes_out,
            "parts": receipt.parts,
            "crc32": f"{receipt.crc32:08x}",
            "warnings": list(receipt.warnings),
        }
        if receipt.rows or receipt.rejects:
            summary |= {"rows": receipt.rows, "rejects": receipt.rejects}
        if receipt.changes:
            summary |= {"changes": [change.text for change in receipt.changes]}
        if receipt.members != NO_MEMBERS:
            summary |= {"members": asdict(receipt.members)}
    if failure := outcome.failure:
        summary |= {"error": failure.error, "message": failure.message, "hint": failure.hint}
    return summary


def _total_size(message: Message) -> int:
    return sum(source.size for source in message.sources)
