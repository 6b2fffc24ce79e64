"""A person's clients: of a profile, or of an account whose keys are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config

from penstock.adapters.person_errors import telling
from penstock.errors import ConfigurationError

_CONFIG = Config(retries={"mode": "standard", "total_max_attempts": 5}, connect_timeout=10, user_agent_extra="penstock")


@dataclass(frozen=True, slots=True)
class Access:
    """Which account, region and endpoint; what is empty is found by boto3's own rules."""

    profile: str = ""
    region: str = ""
    endpoint_url: str = ""
    access_key_id: str = ""
    secret_access_key: str = ""

    def client(self, service: str) -> Any:
        """A client of one service. Raises ConfigurationError for a profile or an endpoint that is none."""
        with telling(f"the {service} client"):
            session = boto3.session.Session(
                profile_name=self.profile or None,
                region_name=self.region or None,
                aws_access_key_id=self.access_key_id or None,
                aws_secret_access_key=self.secret_access_key or None,
            )
            try:
                client: Any = session.client(  # type: ignore[call-overload]  # of whichever service
                    service, endpoint_url=self.endpoint_url or None, config=_CONFIG
                )
            except ValueError as error:
                raise ConfigurationError(str(error), hint="Correct --endpoint-url or --region.") from error
        return client
