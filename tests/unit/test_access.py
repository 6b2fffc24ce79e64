"""Clients of a person: which service, account and place they speak to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from botocore.utils import parse_timestamp

from penstock.aws.access import Access, parse_time
from penstock.errors import ConfigurationError

HERE = "http://127.0.0.1:1"


def test_a_client_speaks_to_the_endpoint_and_region_that_are_given_with_the_keys_that_are_given() -> None:
    client = Access("", "eu-west-3", HERE, "key", "secret").client("s3")
    assert (client.meta.endpoint_url, client.meta.region_name) == (HERE, "eu-west-3")
    signed = client.generate_presigned_url("get_object", {"Bucket": "b", "Key": "k"})
    assert "key" in signed.partition("?")[2]


@pytest.mark.parametrize("access", [Access(profile="nobody"), Access(endpoint_url="nowhere"), Access(region="a b")])
def test_what_is_no_profile_endpoint_or_region_is_said(access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    with pytest.raises(ConfigurationError):
        access.client("s3")


def test_descriptions_of_services_in_the_users_own_folder_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lake" / "2026-01-01").mkdir(parents=True)
    about = {"apiVersion": "2026-01-01", "endpointPrefix": "lake", "protocol": "json", "serviceId": "Lake"}
    model = {"metadata": {**about, "signatureVersion": "v4"}, "operations": {}, "shapes": {}}
    (tmp_path / "lake" / "2026-01-01" / "service-2.json").write_text(json.dumps(model))
    monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path))
    assert Access("", "us-east-1", HERE).client("lake").meta.service_model.service_name == "lake"


def test_a_service_that_is_none_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="Unknown service"):
        Access("", "us-east-1", HERE).client("no-such-service")


@pytest.mark.parametrize(
    "text", ["2026-01-02T03:04:05.678Z", "2026-01-02T03:04:05Z", "Fri, 02 Jan 2026 03:04:05 GMT", 1767323045]
)
def test_times_are_read_as_botocore_reads_them(text: str) -> None:
    assert parse_time(text) == parse_timestamp(text)


def test_clients_of_other_regions_share_the_session() -> None:
    """Another session would ask for another code of a profile with MFA."""
    access = Access("", "us-east-1")
    clients = [access.client("sqs"), access.client("sqs", region="eu-west-1")]
    assert [client.meta.region_name for client in clients] == ["us-east-1", "eu-west-1"]
    assert len({id(client._request_signer._credentials) for client in clients}) == 1
    access.close()
