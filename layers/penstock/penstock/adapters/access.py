"""A person's clients: of a profile, or of an account whose keys are known. Quick to make: commands begin with one.

Without boto3, whose import alone takes as long as listing a thousand objects, and which adds nothing that is used here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from botocore.config import Config
from botocore.exceptions import DataNotFoundError, UnknownServiceError
from botocore.loaders import Loader
from botocore.session import Session
from botocore.utils import parse_timestamp

from penstock.adapters.person_errors import ANEW, telling
from penstock.adapters.whole_answers import refuse_cut_answers
from penstock.errors import ConfigurationError

_CONFIG = Config(retries={"mode": "standard", "total_max_attempts": 5}, connect_timeout=10, user_agent_extra="penstock")


@dataclass(frozen=True)
class Access:
    """Which account, region and endpoint; what is empty is found by botocore's own rules, which are boto3's.

    Clients of one access share a session, with its credentials and what it has parsed.
    """

    profile: str = ""
    region: str = ""
    endpoint_url: str = ""
    access_key_id: str = ""
    secret_access_key: str = ""

    def client(self, service: str, config: Config = _CONFIG) -> Any:
        """A client of one service. Raises ConfigurationError for a profile, region or endpoint that is none."""
        with telling(f"the {service} client", again=ANEW):
            try:
                return self._session.create_client(
                    service,
                    region_name=self.region or None,
                    endpoint_url=self.endpoint_url or None,
                    aws_access_key_id=self.access_key_id or None,
                    aws_secret_access_key=self.secret_access_key or None,
                    config=config,
                )
            except ValueError as error:
                raise ConfigurationError(str(error), hint="Correct --endpoint-url or --region.") from error

    @cached_property
    def _session(self) -> Session:
        session = Session(profile=self.profile or None)
        paths = session.get_component("data_loader").search_paths
        session.register_component("data_loader", _Models(paths, include_default_search_paths=False))
        session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=parse_time)
        refuse_cut_answers(session.register)
        return session


class _Models(Loader):
    """Finds the description of a service without looking through those of four hundred others."""

    def list_available_services(self, type_name: str) -> list[str]:  # noqa: ARG002  # the base class looks for it
        """Every folder: whether it describes one is seen when it is opened."""
        return [folder.name for path in self.search_paths if Path(path).is_dir() for folder in Path(path).iterdir()]

    def list_api_versions(self, service_name: str, type_name: str) -> list[str]:
        """Raises UnknownServiceError for a folder without such a description, as one that is not listed would."""
        try:
            versions: list[str] = super().list_api_versions(service_name, type_name)
        except DataNotFoundError as error:
            raise UnknownServiceError(service_name=service_name, known_service_names="not listed") from error
        return versions


def parse_time(value: str) -> datetime:
    """Any time that AWS sends; those of listings forty times as fast as botocore's own parser."""
    try:
        return datetime.fromisoformat(value)
    except (TypeError, ValueError):
        found: datetime = parse_timestamp(value)
        return found
