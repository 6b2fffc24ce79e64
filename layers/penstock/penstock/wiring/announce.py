"""The parts of the function `announce`."""

from __future__ import annotations

import time

from penstock.aws.backoff import Backoff
from penstock.aws.event_bus import DefaultEventBus
from penstock.aws.jobs_table.items import JobsTable
from penstock.aws.jobs_table.span_progress import SpanProgress
from penstock.aws.session import dynamodb_client, events_client, sns_client
from penstock.aws.sns_topic import SnsTopic
from penstock.jobs.announce.announcer import Announcer
from penstock.jobs.announce.ports import Channel
from penstock.settings import Settings


def build_announcer(settings: Settings) -> Announcer:
    """Build the announcer for explicit settings. AWS credentials and endpoint come from botocore's own chain."""
    channels: list[Channel] = [DefaultEventBus(events_client)]
    if settings.events_topic:
        channels.append(SnsTopic(sns_client, settings.events_topic))
    table = JobsTable(dynamodb_client(), settings.jobs_table, retention_days=settings.job_retention_days)
    return Announcer(channels, SpanProgress(table, Backoff(), time.sleep).added_to, settings.stack)
