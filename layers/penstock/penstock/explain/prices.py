"""The list prices of AWS, from `prices.toml`: the only place from which a figure in dollars is made."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from penstock.errors import ConfigurationError

LISTED = Path(__file__).with_name("prices.toml")
# Keys of a section that are not prices.
_ABOUT = {"page", "document", "seen"}
_HINT = f"copy {LISTED.name} of Penstock, and change its values"


@dataclass(frozen=True, slots=True)
class Section:
    """Base of the prices of one service; each field is a price in dollars, in the unit that its name says."""


@dataclass(frozen=True, slots=True)
class LambdaPrices(Section):
    """A second of 1,024 MB by instruction set, and invocations."""

    gb_second_x86_64: float
    gb_second_arm64: float
    million_requests: float

    def gb_second(self, architecture: str = "x86_64") -> float:
        """Return the price for ``x86_64`` or ``arm64``."""
        return self.gb_second_arm64 if architecture == "arm64" else self.gb_second_x86_64


@dataclass(frozen=True, slots=True)
class S3Prices(Section):
    """Requests, and storage in the class Standard."""

    thousand_puts: float
    thousand_gets: float
    gb_month: float


@dataclass(frozen=True, slots=True)
class GluePrices(Section):
    """Requests to the Data Catalog."""

    million_requests: float


@dataclass(frozen=True, slots=True)
class DynamoDBPrices(Section):
    """Request units on demand, and storage."""

    million_writes: float
    million_reads: float
    gb_month: float
    gb_month_recovery: float


@dataclass(frozen=True, slots=True)
class SqsPrices(Section):
    """Requests to standard queues."""

    million_requests: float


@dataclass(frozen=True, slots=True)
class StepFunctionsPrices(Section):
    """Transitions of standard workflows."""

    thousand_transitions: float


@dataclass(frozen=True, slots=True)
class EventBridgePrices(Section):
    """Custom events."""

    million_custom_events: float


@dataclass(frozen=True, slots=True)
class SnsPrices(Section):
    """Messages to standard topics."""

    million_publishes: float


@dataclass(frozen=True, slots=True)
class CloudWatchPrices(Section):
    """Logs by decimal GB; metrics, alarms and dashboards by the month."""

    gb_logs: float
    gb_month_logs: float
    metric_month: float
    alarm_month: float
    dashboard_month: float


@dataclass(frozen=True, slots=True)
class XRayPrices(Section):
    """Recorded traces."""

    million_traces: float


@dataclass(frozen=True, slots=True)
class KmsPrices(Section):
    """Keys of customers."""

    key_month: float


@dataclass(frozen=True, slots=True)
class SecretsManagerPrices(Section):
    """Secrets."""

    secret_month: float


@dataclass(frozen=True, slots=True)
class NetworkPrices(Section):
    """What a function in a VPC needs, and bytes that leave the region."""

    nat_hour: float
    nat_gb: float
    endpoint_hour: float
    endpoint_gb: float
    gb_between_regions: float


@dataclass(frozen=True, slots=True)
class FreeTier(Section):
    """What an account has free in a month."""

    lambda_requests: float
    lambda_gb_seconds: float
    sqs_requests: float
    transitions: float
    traces: float
    catalog_requests: float
    logs_gb: float
    metrics: float
    alarms: float
    dashboards: float


@dataclass(frozen=True, slots=True)
class Prices:
    """The prices of one region. ``date``: when they were collected."""

    region: str
    date: date
    lambda_: LambdaPrices
    s3: S3Prices
    glue: GluePrices
    dynamodb: DynamoDBPrices
    sqs: SqsPrices
    step_functions: StepFunctionsPrices
    eventbridge: EventBridgePrices
    sns: SnsPrices
    cloudwatch: CloudWatchPrices
    xray: XRayPrices
    kms: KmsPrices
    secrets_manager: SecretsManagerPrices
    network: NetworkPrices
    free: FreeTier

    @property
    def name(self) -> str:
        """What stands beside a figure: ``prices of us-east-1, 2026-11-30``."""
        return f"prices of {self.region}, {self.date}"


SECTIONS: Mapping[str, type[Section]] = {
    "lambda": LambdaPrices,
    "s3": S3Prices,
    "glue": GluePrices,
    "dynamodb": DynamoDBPrices,
    "sqs": SqsPrices,
    "step_functions": StepFunctionsPrices,
    "eventbridge": EventBridgePrices,
    "sns": SnsPrices,
    "cloudwatch": CloudWatchPrices,
    "xray": XRayPrices,
    "kms": KmsPrices,
    "secrets_manager": SecretsManagerPrices,
    "network": NetworkPrices,
    "free": FreeTier,
}


@cache
def listed_prices() -> Prices:
    """Return the prices that come with Penstock."""
    return read_prices(LISTED)


def read_prices(file: Path) -> Prices:
    """Read a file like `prices.toml`. Raises ConfigurationError if it cannot be read or does not have every price."""
    try:
        found = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{file}: cannot be read as prices: {error}", hint=_HINT) from error
    region, collected = found.pop("region", None), found.pop("date", None)
    if not isinstance(region, str) or type(collected) is not date:
        raise ConfigurationError(f"{file}: needs region, a text, and date, such as 2026-11-30", hint=_HINT)
    if unknown := sorted(found.keys() - SECTIONS.keys()):
        raise ConfigurationError(f"{file}: [{unknown[0]}] is not a section of prices", hint=_HINT)
    read: dict[str, Any] = {name: _section(file, name, kind, found.get(name)) for name, kind in SECTIONS.items()}
    return Prices(region, collected, lambda_=read.pop("lambda"), **read)


def _section(file: Path, name: str, kind: type[Section], found: object) -> Section:
    values = {key: value for key, value in found.items() if key not in _ABOUT} if isinstance(found, dict) else {}
    names = {field.name for field in fields(kind)}
    if missing := sorted(names - values.keys()):
        raise ConfigurationError(f"{file}: [{name}] has no {missing[0]}", hint=_HINT)
    if unknown := sorted(values.keys() - names):
        raise ConfigurationError(f"{file}: {unknown[0]} is not a price of [{name}]", hint=_HINT)
    for key, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
            raise ConfigurationError(f"{file}: {key} of [{name}] is not a price: {value!r}", hint=_HINT)
    return kind(**values)
