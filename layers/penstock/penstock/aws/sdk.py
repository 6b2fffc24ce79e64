"""Sessions of botocore that start quickly: every cold start and every command creates one.

boto3 is not used: its import takes as long as creating a client, and it adds nothing that is used here.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

from botocore.exceptions import DataNotFoundError, UnknownServiceError
from botocore.loaders import JSONFileLoader, Loader
from botocore.session import Session

from penstock.aws.truncated_responses import refuse_truncated_responses


class AwsSession(Session):
    """A session of a profile. Credentials, region and endpoint are resolved by botocore's rules, those of boto3.

    Its clients share credentials and the loaded service descriptions. They refuse truncated responses.
    """

    def __init__(self, profile: str = "") -> None:
        super().__init__(profile=profile or None)
        paths = self.get_component("data_loader").search_paths
        models = _Models(paths, file_loader=_Files(), include_default_search_paths=False)
        self.register_component("data_loader", models)
        refuse_truncated_responses(self.register)

    def client(self, service: str, **parameters: Any) -> Any:
        """Create a client of one service, as boto3's sessions do. Parameters: see ``Session.create_client``."""
        return self.create_client(service, **parameters)


class _Models(Loader):
    """Finds the description of a service without searching those of four hundred others."""

    def list_available_services(self, type_name: str) -> list[str]:  # noqa: ARG002  # the base class looks for it
        """Return the names of all folders. Whether a folder describes a service is checked when it is opened."""
        return [folder.name for path in self.search_paths if Path(path).is_dir() for folder in Path(path).iterdir()]

    def list_api_versions(self, service_name: str, type_name: str) -> list[str]:
        """Raises UnknownServiceError for a folder without such a description, as for an unlisted service."""
        try:
            versions: list[str] = super().list_api_versions(service_name, type_name)
        except DataNotFoundError as error:
            raise UnknownServiceError(service_name=service_name, known_service_names="not listed") from error
        return versions


class _Files(JSONFileLoader):
    """Reads descriptions into plain dicts. The ordered dicts of the base class take a third longer."""

    def load_file(self, file_path: str) -> Any:
        """Read JSON and gzipped JSON. Other files are left to the base class."""
        for suffix, decode in ((".json", bytes), (".json.gz", gzip.decompress)):
            file = Path(file_path + suffix)
            if file.is_file():
                return json.loads(decode(file.read_bytes()))
        return super().load_file(file_path)
