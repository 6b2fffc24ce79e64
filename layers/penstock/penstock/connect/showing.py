"""Everything that a connection needs, checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from penstock.connect.advice import check_settings
from penstock.connect.bucket_policy import check_policy
from penstock.connect.events import check_eventbridge, check_queue
from penstock.connect.findings import Finding, Level
from penstock.connect.key_policy import check_key
from penstock.connect.listing import check_listing
from penstock.connect.location import Location, find_location
from penstock.connect.model import Connection, Side, StackTarget, Via
from penstock.connect.notifications import QUEUES, is_covered, rules_of, wanted_rule
from penstock.connect.ports import Bucket, Services
from penstock.connect.topic import check_topic
from penstock.errors import AccessDeniedError

_EVENTS = {Via.EVENTBRIDGE: check_eventbridge, Via.SQS: check_queue, Via.SNS: check_topic}


@dataclass(frozen=True, slots=True)
class Shown:
    """``connection`` has the way that was checked. For a bucket that is not seen, the last two are None."""

    findings: tuple[Finding, ...]
    connection: Connection
    location: Location | None = None
    services: Services | None = None


def show(bucket: Bucket, services_in: Callable[[str], Services], connection: Connection, stack: StackTarget) -> Shown:
    """Check everything and change nothing. ``services_in`` opens the services in the region of the bucket."""
    try:
        location, found = find_location(bucket, connection, stack)
    except AccessDeniedError as error:
        return Shown((_unread("bucket", error),), connection)
    if location is None:
        return Shown(tuple(found), connection)
    services = services_in(location.region)
    found.append(check_listing(connection, stack))
    if connection.side is Side.SOURCE:
        via = connection.via or _standing_way(services.bucket, connection, stack)
        connection = replace(connection, via=via)
        found += _checked("notification", lambda: _EVENTS[via](services, connection, stack, location))
    found += _checked("bucket policy", lambda: check_policy(services.bucket, connection, stack, location))
    found += _checked("key", lambda: check_key(services.bucket, services.keys, connection, stack, location))
    found += check_settings(services.bucket, connection, stack, location)
    return Shown(tuple(found), connection, location, services)


def _standing_way(bucket: Bucket, connection: Connection, stack: StackTarget) -> Via:
    """The queue if the bucket notifies it already, as a bucket of the stack itself does; else EventBridge."""
    wanted = wanted_rule(QUEUES, "", stack.queue_arn, connection.prefix)
    try:
        rules = list(rules_of(bucket.notifications()))
    except AccessDeniedError:  # a finding of the check
        return Via.EVENTBRIDGE
    return Via.SQS if is_covered(wanted, rules) else Via.EVENTBRIDGE


def _checked(name: str, check: Callable[[], Iterator[Finding]]) -> list[Finding]:
    """The findings of a check up to a call that is denied, which is a finding too."""
    found = []
    try:
        for finding in check():
            found.append(finding)  # noqa: PERF402  # those before the denied call are kept
    except AccessDeniedError as error:
        found.append(_unread(name, error))
    return found


def _unread(name: str, error: AccessDeniedError) -> Finding:
    return Finding(name, Level.DENIED, str(error), error.hint)
