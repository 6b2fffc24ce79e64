"""A condition of a write is given up where a service does not know conditions, and never at AWS."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from penstock.aws.s3.conditions import Condition, write_under
from penstock.model.object import Target

TARGET = Target("bucket", "key")
IF_NEW = Condition(IfNoneMatch="*")
AWS = [
    "https://s3.eu-central-1.amazonaws.com",
    "https://s3.cn-north-1.amazonaws.com.cn",
    "https://bucket.vpce-1.s3.us-east-1.vpce.amazonaws.com",
]
OTHER = "http://127.0.0.1:8080"


def answer(status: int, code: str) -> Any:
    return {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}


class Service:
    """Refuses every write that has a condition."""

    def __init__(self, url: str, status: int, code: str) -> None:
        self.meta = SimpleNamespace(endpoint_url=url)
        self.answer = answer(status, code)
        self.written: list[Condition] = []

    def head_object(self, **_: Any) -> Any:
        raise ClientError(answer(404, "404"), "HeadObject")

    def write(self, condition: Condition) -> str:
        self.written.append(condition)
        if condition:
            raise ClientError(self.answer, "PutObject")
        return "written"


def under(service: Service, condition: Condition) -> str | None:
    client: Any = service
    return write_under(client, TARGET, condition, service.write)


@pytest.mark.parametrize("url", AWS)
def test_at_aws_a_condition_is_never_given_up(url: str) -> None:
    unknown = Service(url, 501, "NotImplemented")
    with pytest.raises(ClientError):
        under(unknown, IF_NEW)
    refused = Service(url, 412, "PreconditionFailed")
    assert under(refused, IF_NEW) is None
    assert unknown.written == refused.written == [IF_NEW]


@pytest.mark.parametrize(("status", "code"), [(501, "NotImplemented"), (412, "InvalidRequest")])
def test_a_service_that_does_not_know_the_condition_is_written_to_without(status: int, code: str) -> None:
    service = Service(OTHER, status, code)
    assert under(service, IF_NEW) == "written"
    assert service.written == [IF_NEW, {}]


def test_any_other_error_is_raised() -> None:
    with pytest.raises(ClientError):
        under(Service(OTHER, 503, "SlowDown"), IF_NEW)
