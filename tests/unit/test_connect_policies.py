"""What statements of a policy do to the roles of a stack.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

import re
from fnmatch import translate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.connect.conditions import ABSENT, Match, condition_of
from penstock.connect.policies import (
    Verdict,
    by_role,
    by_service,
    decide,
    exempting,
    has_statement,
    with_statement,
    without_sids,
)
from penstock.connect.wildcards import covers, meets

ROLE = "arn:aws:iam::111122223333:role/penstock-ingest"
BUCKET = "arn:aws:s3:::drops"
OBJECTS = f"{BUCKET}/in/*"
ADMIN = "arn:aws:iam::111122223333:role/admin"


def policy(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def statement(effect: str = "Deny", **parts: Any) -> dict[str, Any]:
    found = {"Effect": effect, "Principal": "*", "Action": "s3:*", "Resource": [BUCKET, f"{BUCKET}/*"], **parts}
    return {key: value for key, value in found.items() if value is not None}


def verdict(*statements: dict[str, Any], action: str = "s3:GetObject", resource: str = OBJECTS) -> Verdict:
    return decide(policy(*statements), by_role(ROLE, action, resource)).verdict


TEXT = st.text(alphabet="ab*?", max_size=6)


@given(TEXT, st.text(alphabet="ab", max_size=6))
def test_a_pattern_covers_the_texts_that_it_matches(pattern: str, text: str) -> None:
    matches = re.match(translate(pattern), text) is not None
    assert covers(pattern, text) == matches == meets(pattern, text)


@given(TEXT, TEXT, st.text(alphabet="ab", max_size=5))
def test_patterns_meet_where_a_text_matches_both(one: str, other: str, text: str) -> None:
    matches = [re.match(translate(pattern), text) is not None for pattern in (one, other)]
    assert meets(one, other) == meets(other, one)
    assert meets(one, other) or not all(matches)
    # What covers a pattern matches every text of it.
    assert matches[0] or not (covers(one, other) and matches[1])


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({}, Verdict.DENIED),
        ({"Principal": {"AWS": ROLE}}, Verdict.DENIED),
        ({"Principal": {"AWS": ["arn:aws:iam::111122223333:root"]}}, Verdict.DENIED),
        ({"Principal": {"AWS": "111122223333"}}, Verdict.DENIED),
        ({"Principal": {"AWS": ADMIN}}, Verdict.NOT_ALLOWED),
        ({"Principal": {"Service": "s3.amazonaws.com"}}, Verdict.NOT_ALLOWED),
        ({"Principal": None, "NotPrincipal": {"AWS": ADMIN}}, Verdict.DENIED),
        ({"Principal": None, "NotPrincipal": {"AWS": [ADMIN, ROLE]}}, Verdict.PERHAPS_DENIED),
        ({"Action": ["s3:Put*", "S3:getobject"]}, Verdict.DENIED),
        ({"Action": "s3:DeleteObject"}, Verdict.NOT_ALLOWED),
        ({"Action": None, "NotAction": "s3:Get*"}, Verdict.NOT_ALLOWED),
        ({"Action": None, "NotAction": "s3:Put*"}, Verdict.DENIED),
        ({"Resource": f"{BUCKET}/other/*"}, Verdict.NOT_ALLOWED),
        ({"Resource": f"{BUCKET}/in/secret/*"}, Verdict.DENIED),
        ({"Resource": None, "NotResource": f"{BUCKET}/in*"}, Verdict.NOT_ALLOWED),
        ({"Condition": {"Bool": {"aws:SecureTransport": "false"}}}, Verdict.NOT_ALLOWED),
        ({"Condition": {"NumericLessThan": {"s3:TlsVersion": 1.2}}}, Verdict.NOT_ALLOWED),
        ({"Condition": {"StringNotEquals": {"aws:SourceVpce": "vpce-1"}}}, Verdict.PERHAPS_DENIED),
        ({"Condition": {"ArnNotLike": {"aws:PrincipalArn": ADMIN}}}, Verdict.DENIED),
        ({"Condition": {"ArnNotLike": {"aws:PrincipalArn": [ADMIN, "arn:aws:iam::*:role/pen*"]}}}, Verdict.NOT_ALLOWED),
        ({"Condition": {"StringNotEquals": {"aws:PrincipalAccount": ["111122223333"]}}}, Verdict.NOT_ALLOWED),
        ({"Condition": {"Null": {"aws:PrincipalArn": "true"}}}, Verdict.NOT_ALLOWED),
        ({"Condition": {"Null": {"aws:SourceArn": "true"}}}, Verdict.DENIED),
        # One condition that does not hold is enough, whatever is unknown.
        (
            {"Condition": {"Bool": {"aws:SecureTransport": False}, "IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}},
            Verdict.NOT_ALLOWED,
        ),
    ],
    ids=str,
)
def test_what_a_deny_does_to_a_role(parts: dict[str, Any], expected: Verdict) -> None:
    assert verdict(statement(**parts)) is expected


def test_a_deny_of_some_keys_says_so() -> None:
    some = decide(policy(statement(Resource=f"{BUCKET}/in/secret/*")), by_role(ROLE, "s3:GetObject", OBJECTS))
    assert (some.verdict, some.is_partial) == (Verdict.DENIED, True)
    assert not decide(policy(statement()), by_role(ROLE, "s3:GetObject", OBJECTS)).is_partial


def test_an_explicit_deny_counts_more_than_an_allow() -> None:
    allow = statement("Allow", Principal={"AWS": ROLE})
    assert verdict(allow) is Verdict.ALLOWED
    assert verdict(allow, statement()) is Verdict.DENIED
    assert verdict(statement("Allow", Resource=f"{BUCKET}/in/a/*")) is Verdict.NOT_ALLOWED


def test_an_allow_that_depends_on_more_is_none() -> None:
    assert verdict(statement("Allow", Condition={"StringEquals": {"aws:PrincipalOrgID": "o-1"}})) is Verdict.NOT_ALLOWED


def test_a_statement_alone_needs_no_list() -> None:
    lone = {"Version": "2012-10-17", "Statement": statement()}
    assert decide(lone, by_role(ROLE, "s3:GetObject", OBJECTS)).verdict is Verdict.DENIED
    assert decide(None, by_role(ROLE, "s3:GetObject", OBJECTS)).verdict is Verdict.NOT_ALLOWED


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"ArnLike": {"aws:SourceArn": "arn:*:s3:::drops"}, "StringEquals": {"aws:SourceAccount": "1"}}, True),
        ({"ArnEquals": {"aws:SourceArn": "arn:aws:s3:::drop"}}, False),
        ({"StringEquals": {"aws:SourceAccount": "2"}}, False),
    ],
)
def test_what_a_queue_allows_to_s3(condition: dict[str, Any], expected: bool) -> None:
    queue = "arn:aws:sqs:us-east-1:1:queue"
    allowing = {
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue,
        "Condition": condition,
    }
    request = by_service("s3.amazonaws.com", "sqs:SendMessage", queue, source_arn=BUCKET, source_account="1")
    assert (decide(policy(allowing), request).verdict is Verdict.ALLOWED) == expected


def test_the_account_of_a_bucket_that_is_not_known_is_not_assumed() -> None:
    allowing = statement("Allow", Condition={"StringEquals": {"aws:SourceAccount": "1"}})
    request = by_service("s3.amazonaws.com", "s3:GetObject", OBJECTS, source_arn=BUCKET, source_account="")
    assert decide(policy(allowing), request).verdict is Verdict.NOT_ALLOWED


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ({"StringEquals": {"aws:sourcearn": "x"}}, Match.NO),
        ({"StringEqualsIfExists": {"aws:sourcearn": "x"}}, Match.YES),
        ({"StringNotLike": {"aws:sourcearn": "x"}}, Match.YES),
        ({"ForAllValues:StringEquals": {"aws:TagKeys": "x"}}, Match.PERHAPS),
        ({"NumericLessThan": {"aws:known": "much"}}, Match.PERHAPS),
        ({"SomeNewOperator": {"aws:known": "5"}}, Match.PERHAPS),
        ({"NumericGreaterThanEquals": {"aws:known": 5}}, Match.YES),
        ({}, Match.YES),
    ],
    ids=str,
)
def test_conditions_on_absent_and_unknown_keys(block: dict[str, Any], expected: Match) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html"""
    found, open_keys = condition_of(block, {"aws:sourcearn": ABSENT, "aws:known": "5"})
    assert found is expected
    assert bool(open_keys) == (expected is Match.PERHAPS)


def test_the_exempting_statement_denies_all_but_the_roles() -> None:
    denying = statement(Sid="Closed", Condition={"ArnNotLike": {"aws:PrincipalArn": ADMIN}})

    exempted = exempting(denying, [ROLE])

    assert exempted["Condition"]["ArnNotLike"]["aws:PrincipalArn"] == [ADMIN, ROLE]
    assert verdict(denying) is Verdict.DENIED
    assert verdict(exempted) is Verdict.NOT_ALLOWED
    stranger = by_role("arn:aws:iam::111122223333:role/stranger", "s3:GetObject", OBJECTS)
    assert decide(policy(exempted), stranger).verdict is Verdict.DENIED


def test_a_statement_is_merged_by_its_sid_and_nothing_else_is_touched() -> None:
    theirs = {"Version": "2008-10-17", "Id": "theirs", "Statement": [statement(Sid="A"), statement(Sid="B")]}
    ours = statement("Allow", Sid="Ours")

    merged = with_statement(theirs, ours)

    assert merged == {**theirs, "Statement": [*theirs["Statement"], ours]}
    newer = {**ours, "Action": "s3:GetObject"}
    assert with_statement(merged, newer)["Statement"] == [*theirs["Statement"], newer]
    assert without_sids(merged, ["Ours"]) == theirs
    assert without_sids(policy(ours), ["Ours"]) is None
    assert with_statement(None, ours) == policy(ours)


def test_a_statement_is_found_whatever_its_order() -> None:
    """S3 returns a list of one as its item, and lists in another order."""
    ours = statement("Allow", Principal={"AWS": [ROLE]}, Action=["s3:GetObject", "s3:PutObject"])
    stored = {**ours, "Principal": {"AWS": ROLE}, "Action": ["s3:PutObject", "s3:GetObject"]}
    assert has_statement(policy(stored), ours)
    assert not has_statement(policy({**stored, "Action": "s3:GetObject"}), ours)
