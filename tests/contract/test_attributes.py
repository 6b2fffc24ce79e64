"""Attributes of the jobs table are written and read as boto3 does."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, cast

import pytest
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from hypothesis import given
from hypothesis import strategies as st

from penstock.aws.jobs_table.attributes import plain, typed
from penstock.model.job_status import JobState

exact = st.text() | st.booleans() | st.none() | st.integers(-(10**37), 10**37) | st.decimals(-1000, 1000, places=3)
values = st.recursive(exact, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))


@given(value=values)
def test_a_value_is_written_as_by_boto3(value: Any) -> None:
    boto3s = TypeDeserializer().deserialize(TypeSerializer().serialize(value))
    assert TypeDeserializer().deserialize(cast("Any", typed(value))) == boto3s


@given(value=values)
def test_a_value_is_read_as_by_boto3(value: Any) -> None:
    attribute = TypeSerializer().serialize(value)
    assert plain({"it": attribute}) == {"it": TypeDeserializer().deserialize(attribute)}


@given(seconds=st.floats(1.0, 1e11))
def test_a_time_keeps_all_its_digits(seconds: float) -> None:
    assert float(plain({"at": typed(seconds)})["at"]) == seconds


def test_a_state_is_a_text() -> None:
    assert typed(JobState.RUNNING) == {"S": "running"}
    assert type(typed(JobState.RUNNING)["S"]) is str


def test_a_set_of_texts_is_one() -> None:
    assert typed(frozenset({"b", "a"})) == {"SS": ["a", "b"]}
    assert plain({"it": {"SS": ["a", "b"]}}) == {"it": frozenset({"a", "b"})}


def test_a_tuple_is_a_list() -> None:
    assert typed(("a", 1)) == {"L": [{"S": "a"}, {"N": "1"}]}


@pytest.mark.parametrize("value", [{"a", "b"}, b"bytes", object()])
def test_an_unsupported_value_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="does not hold"):
        typed(value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), Decimal("1." + "1" * 40)])
def test_a_number_that_would_be_rounded_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="DynamoDB holds"):
        typed(value)


@pytest.mark.parametrize("attribute", [{"NS": ["1"]}, {"B": b"bytes"}])
def test_an_unsupported_attribute_is_refused(attribute: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="does not hold"):
        plain({"it": attribute})
