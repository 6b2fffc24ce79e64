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


def test_an_earlier_release_named_one_bucket_of_each_kind() -> None:
    settings = Settings.from_environment(COMPLETE)
    assert (settings.source_buckets, settings.destination_buckets) == (("drops",), ("lake",))
    assert (settings.own_source_bucket, settings.own_destination_bucket) == ("drops", "lake")


def test_a_stack_with_existing_buckets_names_all_of_them() -> None:
    lists = {"PENSTOCK_SOURCE_BUCKETS": "drops,orders", "PENSTOCK_DESTINATION_BUCKETS": "lake,mart"}
    settings = Settings.from_environment(COMPLETE | lists)
    assert (settings.source_buckets, settings.destination_buckets) == (("drops", "orders"), ("lake", "mart"))


def test_a_stack_without_buckets_of_its_own_may_have_no_destination_bucket() -> None:
    none = {"PENSTOCK_SOURCE_BUCKET": "", "PENSTOCK_DESTINATION_BUCKET": "", "PENSTOCK_DESTINATION_BUCKETS": ""}
    settings = Settings.from_environment(COMPLETE | none | {"PENSTOCK_SOURCE_BUCKETS": "orders"})
    assert (settings.source_buckets, settings.destination_buckets) == (("orders",), ())
    assert (settings.own_source_bucket, settings.own_destination_bucket) == ("", "")


NEEDED = [name for name in COMPLETE if name.startswith("PENSTOCK_") and name != "PENSTOCK_DESTINATION_BUCKET"]


@pytest.mark.parametrize("name", NEEDED)
def test_a_missing_variable_is_named(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{name} is not set"):
        Settings.from_environment({k: v for k, v in COMPLETE.items() if k != name})


@pytest.mark.parametrize(("value", "problem"), [("soon", "not a number"), ("0", "positive"), ("-1", "positive")])
def test_a_malformed_number_is_named(value: str, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=f"PENSTOCK_LEASE_SECONDS .*{problem}"):
        Settings.from_environment(COMPLETE | {"PENSTOCK_LEASE_SECONDS": value})


CHOSEN_BY_THE_PLANNER = {
    "PENSTOCK_LARGE_BYTES": "large_bytes",
    "PENSTOCK_SPAN_BYTES": "span_bytes",
    "PENSTOCK_INDEX_SPACING": "index_spacing",
    "PENSTOCK_TIME_LIMIT_SECONDS": "time_limit_seconds",
}


@pytest.mark.parametrize(("variable", "field"), CHOSEN_BY_THE_PLANNER.items())
def test_zero_leaves_the_choice_to_the_planner(variable: str, field: str) -> None:
    assert getattr(Settings.from_environment(COMPLETE), field) == 0
    assert getattr(Settings.from_environment(COMPLETE | {variable: "0"}), field) == 0
    assert getattr(Settings.from_environment(COMPLETE | {variable: "4096"}), field) == 4096
    with pytest.raises(ConfigurationError, match=f"{variable} must be positive"):
        Settings.from_environment(COMPLETE | {variable: "-1"})


def test_without_a_state_machine_its_name_is_empty() -> None:
    assert Settings.from_environment(COMPLETE).state_machine == ""
    assert Settings.from_environment(COMPLETE | {"PENSTOCK_STATE_MACHINE": "arn:x"}).state_machine == "arn:x"


def test_every_variable_that_is_read_is_declared() -> None:
    read: set[str] = set()

    class Recording(dict[str, str]):
        def get(self, key: str, default: str = "") -> str:  # type: ignore[override]  # narrower on purpose
            read.add(key)
            return super().get(key, default)

    Settings.from_environment(Recording(COMPLETE))
    assert {name for name in read if name.startswith("PENSTOCK_")} == Settings.VARIABLES
