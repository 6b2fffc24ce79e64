"""Iceberg REST catalogs: that of S3 Tables, and any other.

https://github.com/apache/iceberg/blob/main/open-api/rest-catalog-open-api.yaml
https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-tables-integrating-open-source.html
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from penstock.destinations.iceberg.catalog import Change, LoadedTable, NewTable
from penstock.destinations.iceberg.metadata import MAX_METADATA, normalized, parse
from penstock.destinations.iceberg.names import TableName
from penstock.destinations.iceberg.rest_http import Answer, RestHttp, told
from penstock.errors import (
    AccessDeniedError,
    CommitInDoubtError,
    ConfigurationError,
    DestinationMissingError,
    InvalidTableError,
    PenstockError,
    PublishConflictError,
    RequestRefusedError,
    ServiceUnavailableError,
)
from penstock.limits import MIB

_SMALL = MIB

# What an answer has beside the metadata: location and configuration.
_LIMIT = MAX_METADATA + MIB

# Between the parts of a namespace in a path.
_SEPARATOR = "\x1f"


class RestCatalog:
    """Implements ``Catalog``. ``warehouse`` is what the catalog calls so: an ARN, a URI or a name; it may be empty.

    ``location`` is the URI under which new tables lie; without it the catalog chooses. ``actions`` are the names of
    AWS's permissions for messages, by what is asked; ``views``: the catalog may have views, and tells of them.
    """

    def __init__(
        self,
        http: RestHttp,
        warehouse: str = "",
        *,
        location: str = "",
        actions: dict[str, str] | None = None,
        views: bool = True,
    ) -> None:
        self._http = http
        self._warehouse = warehouse
        self._location = location.rstrip("/")
        self._actions = actions or {}
        self._views = views
        self._known_prefix: str | None = None

    def load(self, name: TableName, *, history: bool = False) -> LoadedTable | None:
        query = {"snapshots": "all" if history else "refs"}
        answer = self._http.ask("GET", self._path(name, "tables"), query, limit=_LIMIT)
        if answer.status == HTTPStatus.NOT_FOUND:
            self._refuse_view(name)
            return None
        if answer.status != HTTPStatus.OK:
            raise self._refused("load", name, answer)
        found = parse(str(name), self._http.base, answer.body, history=history)
        document = found.get("metadata")
        if not isinstance(document, dict):
            raise InvalidTableError(f"{self._http.base} answers for {name} without metadata")
        return LoadedTable(name, normalized(document), str(found.get("metadata-location") or ""))

    def create(self, table: NewTable) -> None:
        location = table.location or (
            self._location and "/".join((self._location, *table.name.namespace, table.name.table))
        )
        body = {
            "name": table.name.table,
            "schema": table.schema,
            "partition-spec": table.partition_spec,
            "properties": dict(table.properties),
            **({"location": location} if location else {}),
        }
        answer = self._http.send("POST", f"{self._namespace(table.name)}/tables", limit=_LIMIT, body=body)
        if answer.status == HTTPStatus.CONFLICT:
            raise PublishConflictError(f"{table.name} exists already")
        if answer.status == HTTPStatus.NOT_FOUND:
            raise DestinationMissingError(
                f"the namespace of {table.name} does not exist: {told(answer)}", hint="Create it in the catalog."
            )
        if answer.status != HTTPStatus.OK:
            raise self._refused("create", table.name, answer)

    def commit(self, base: LoadedTable, change: Change) -> None:
        body = {
            "identifier": {"namespace": list(base.name.namespace), "name": base.name.table},
            "requirements": list(change.requirements),
            "updates": list(change.updates),
        }
        try:
            answer = self._http.send("POST", self._path(base.name, "tables"), limit=_LIMIT, body=body)
        except ServiceUnavailableError as error:
            raise CommitInDoubtError(f"commit to {base.name}: no answer: {error}") from error
        if answer.status == HTTPStatus.OK:
            return
        if answer.status in (HTTPStatus.CONFLICT, HTTPStatus.NOT_FOUND):
            raise PublishConflictError(f"{base.name} was changed by another writer: {told(answer)}")
        # The spec says of 500, 502 and 504 that the state of the commit is unknown. So it is after 503 of a proxy.
        if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise CommitInDoubtError(f"commit to {base.name}: {told(answer)}")
        raise self._refused("commit", base.name, answer)

    def _refuse_view(self, name: TableName) -> None:
        if not self._views:
            return
        answer = self._http.ask("HEAD", self._path(name, "views"), limit=_SMALL)
        if answer.status in (HTTPStatus.OK, HTTPStatus.NO_CONTENT):
            raise InvalidTableError(f"{name} is a view", hint="Name a table.")

    def _path(self, name: TableName, kind: str) -> str:
        return f"{self._namespace(name)}/{kind}/{quote(name.table, safe='')}"

    def _namespace(self, name: TableName) -> str:
        return f"{self._prefix()}/namespaces/{quote(_SEPARATOR.join(name.namespace), safe='')}"

    def _prefix(self) -> str:
        """The path before all others, as the catalog's configuration says it."""
        if self._known_prefix is None:
            query = {"warehouse": self._warehouse} if self._warehouse else None
            answer = self._http.ask("GET", "/v1/config", query, limit=_SMALL)
            if answer.status != HTTPStatus.OK:
                raise self._refused("config", self._warehouse or self._http.base, answer)
            found: Any = answer.json()
            if not isinstance(found, dict):
                raise ConfigurationError(
                    f"{self._http.base}/v1/config is not the configuration of a catalog",
                    hint="Correct the URI of the Iceberg catalog. It ends before /v1.",
                )
            # Values of the server come after those of the client, of which there are none.
            settings = {**(found.get("defaults") or {}), **(found.get("overrides") or {})}
            prefix = str(settings.get("prefix") or "").strip("/")
            self._known_prefix = f"/v1/{prefix}" if prefix else "/v1"
        return self._known_prefix

    def _refused(self, what: str, name: TableName | str, answer: Answer) -> PenstockError:
        right = f"{self._actions.get(what, f'{what} of the Iceberg catalog {self._http.base}')} on {name}"
        if answer.status == HTTPStatus.FORBIDDEN:
            return AccessDeniedError(right, detail=told(answer))
        if answer.status in (HTTPStatus.UNAUTHORIZED, 419):
            return ConfigurationError(
                f"{right}: {told(answer)}", hint="Renew the credentials in the secret of the Iceberg catalog."
            )
        if answer.status == HTTPStatus.TOO_MANY_REQUESTS or answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return ServiceUnavailableError(f"{right}: {told(answer)}")
        if answer.status == HTTPStatus.NOT_FOUND:
            return DestinationMissingError(f"{right}: {told(answer)}", hint="Correct the URI or the warehouse.")
        if what == "commit" and answer.status == HTTPStatus.BAD_REQUEST:
            return InvalidTableError(f"{right}: {told(answer)}")
        return RequestRefusedError(f"{right}: {told(answer)}")
