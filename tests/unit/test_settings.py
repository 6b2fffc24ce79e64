"""The environment, parsed once."""

from __future__ import annotations

import pytest

from penstock.errors import ConfigurationError
from penstock.limits import MIB
from penstock.settings import Settings

COMPLETE = {
    "PENSTOCK_JOBS_TABLE": "jobs",
    "PENSTOCK_SOURCE_BUCKET": "drops",
    "PENSTOCK_DESTINATION_BUCKET": "lake",
    "PENSTOCK_WORK_BUCKET": "work",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
}


def test_memory_is_what_lambda_says() -> None:
    assert Settings.from_environment(COMPLETE).memory == 128 * MIB


def test_an_empty_variable_means_its_default() -> None:
    settings = Settings.from_environment(COMPLETE | {"PENSTOCK_ROUTES_URI": "", "PENSTOCK_LEASE_SECONDS": ""})
    assert (settings.routes_uri, settings.lease_seconds) == ("", 60.0)


@pytest.mark.parametrize("name", [name for name in COMPLETE if name.startswith("PENSTOCK_")])
def test_a_missing_variable_is_named(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{name} is not set"):
        Settings.from_environment({k: v for k, v in COMPLETE.items() if k != name})


@pytest.mark.parametrize(("value", "problem"), [("soon", "not a number"), ("0", "positive"), ("-1", "positive")])
def test_a_malformed_number_is_named(value: str, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=f"PENSTOCK_LEASE_SECONDS .*{problem}"):
        Settings.from_environment(COMPLETE | {"PENSTOCK_LEASE_SECONDS": value})


def test_every_variable_that_is_read_is_declared() -> None:
    read: set[str] = set()

    class Recording(dict[str, str]):
        def get(self, key: str, default: str = "") -> str:  # type: ignore[override]  # narrower on purpose
            read.add(key)
            return super().get(key, default)

    Settings.from_environment(Recording(COMPLETE))
    assert {name for name in read if name.startswith("PENSTOCK_")} == Settings.VARIABLES
