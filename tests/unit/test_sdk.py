"""The session that all clients come from, beside botocore's own."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

import pytest
from botocore.exceptions import UnknownServiceError
from botocore.loaders import JSONFileLoader
from botocore.session import Session

from penstock.aws import sdk
from penstock.aws.sdk import AwsSession
from penstock.aws.session import invoking_client


@pytest.fixture(autouse=True)
def _descriptions_are_read_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests of the process may share what they have loaded (`service_models`)."""
    for loader in (JSONFileLoader, sdk._Files):
        monkeypatch.setattr(loader, "load_file", inspect.unwrap(loader.load_file))


@pytest.mark.parametrize("service", ["s3", "dynamodb", "sqs", "stepfunctions", "events", "secretsmanager", "rds"])
def test_a_service_is_described_as_botocore_describes_it(service: str) -> None:
    own, botocores = (each.get_component("data_loader") for each in (AwsSession(), Session()))
    for kind in ("service-2", "paginators-1", "endpoint-rule-set-1"):
        assert own.load_service_model(service, kind) == botocores.load_service_model(service, kind)


@pytest.mark.parametrize("name", ["endpoints", "partitions", "sdk-default-configuration", "_retry"])
def test_what_holds_for_all_services_is_read_as_botocore_reads_it(name: str) -> None:
    own, botocores = (each.get_component("data_loader") for each in (AwsSession(), Session()))
    assert own.load_data(name) == botocores.load_data(name)


def test_a_description_in_the_users_own_folder_goes_before_botocores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "s3" / "2006-03-01").mkdir(parents=True)
    (tmp_path / "s3" / "2006-03-01" / "paginators-1.json").write_text(json.dumps({"pagination": {}}))
    monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path))
    loader = AwsSession().get_component("data_loader")
    assert loader.load_data("s3/2006-03-01/paginators-1") == {"pagination": {}}


def test_a_service_that_is_none_is_an_error() -> None:
    with pytest.raises(UnknownServiceError):
        AwsSession().client("no-such-service", region_name="us-east-1")


def test_a_call_of_a_function_waits_for_a_cold_start_and_is_repeated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that is given up goes on in Lambda, and its repetition starts another process."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    config = invoking_client().meta.config
    assert config.read_timeout * config.retries["total_max_attempts"] < 2 * 60.0
    assert config.read_timeout >= 30
    assert config.retries["total_max_attempts"] == 2
