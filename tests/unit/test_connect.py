"""What `penstock connect` finds, on fakes: foreign buckets, policies and keys that deny, what only informs."""

from __future__ import annotations

from typing import Any

import pytest

from connect_looks import (
    ADMINS,
    BY_QUEUE,
    DELEGATED,
    DROPS,
    KEY,
    LAKE,
    LISTED,
    OPEN,
    OTHER_ACCOUNT,
    PATTERN,
    apply,
    look,
    of,
    remove,
)
from penstock.connect.findings import Level, PutBucketStatement, changes_of, deployment, in_place
from penstock.connect.model import Connection, Side, Via
from penstock.connect.showing import show
from penstock.errors import RequestRefusedError
from penstock.testing.connect import (
    ACCOUNT,
    QUEUE,
    REGION,
    ROLES,
    MemoryBucket,
    MemoryKeys,
    MemoryRecordFile,
    MemoryRules,
    services,
    stack,
)


def test_a_bucket_that_has_everything_is_in_place() -> None:
    assert in_place(look(MemoryBucket(configuration={"EventBridgeConfiguration": {}})))


# --- Where the bucket is ---


def test_a_bucket_that_may_not_be_seen_is_denied_and_nothing_else_is_asked() -> None:
    (found,) = look(MemoryBucket(denied=frozenset({"s3:ListBucket"})))
    assert found.level is Level.DENIED
    assert "s3:ListBucket on s3://drops" in found.text
    assert "--bucket-profile" in found.remedy


def test_each_denied_call_is_a_finding_that_names_it() -> None:
    actions = ("s3:GetBucketNotification", "s3:GetBucketPolicy", "s3:GetEncryptionConfiguration")
    findings = look(MemoryBucket(denied=frozenset({*actions, "s3:GetBucketVersioning"})))
    denied = [finding.text for finding in findings if finding.level is Level.DENIED]
    assert [next(action for action in actions if action in text) for text in denied] == list(actions)
    # What only informs stops nobody.
    assert of(findings, "versioning").level is Level.NOTE


def test_the_owner_of_a_foreign_bucket_is_found_by_the_credentials() -> None:
    foreign = MemoryBucket(owner=OTHER_ACCOUNT, caller=OTHER_ACCOUNT)
    assert f"account {OTHER_ACCOUNT}" in of(look(foreign), "bucket").text
    hidden = MemoryBucket(owner=OTHER_ACCOUNT)
    assert "another account" in of(look(hidden), "bucket").text


@pytest.mark.parametrize(
    "bucket",
    [MemoryBucket(home="eu-west-1"), MemoryBucket(owner=OTHER_ACCOUNT, caller=OTHER_ACCOUNT)],
    ids=["region", "account"],
)
def test_a_queue_takes_no_notification_from_elsewhere(bucket: MemoryBucket) -> None:
    found = of(look(bucket, BY_QUEUE, queue=OPEN), "notification")
    assert (found.level, found.changes) == (Level.BLOCKED, ())
    assert "--via sns" in found.remedy


def test_events_from_elsewhere_need_a_rule_that_forwards_them() -> None:
    bucket = MemoryBucket(home="eu-west-1", configuration={"EventBridgeConfiguration": {}})

    missing = of(look(bucket), "forwarding")
    assert missing.level is Level.BLOCKED
    assert missing.document == PATTERN

    forwards = MemoryRules({"forward": (PATTERN, [f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/default"])})
    assert in_place(look(bucket, rules=forwards))


# --- The stack ---


def test_what_the_stack_lacks_is_one_command() -> None:
    key = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1"
    keys = MemoryKeys({key: {"Statement": []}})
    bucket = MemoryBucket(encryption=("aws:kms", key))
    target = stack("others")
    findings = look(bucket, BY_QUEUE, target, keys=keys)
    assert deployment(target, findings) == (
        f"sam deploy --stack-name penstock-dev --region {REGION} --parameter-overrides "
        f"SourceBucketNames=others,drops BucketKmsKeyArns={key}"
    )
    assert of(findings, "notification").changes == ()


def test_a_list_that_is_full_needs_another_stack() -> None:
    full = stack(*(f"bucket-{number}" for number in range(20)))
    findings = look(MemoryBucket(), BY_QUEUE, full)
    assert "The list is full" in of(findings, "stack").text
    assert deployment(full, findings) == ""
    assert of(look(MemoryBucket(), DROPS, stack("b" * 795)), "stack").parameters == {}


def test_the_command_for_the_local_stack_deploys_it_again() -> None:
    findings = look(MemoryBucket(), DROPS, stack("others"))
    assert deployment(stack("others"), findings, local=True) == (
        "penstock local up --parameter SourceBucketNames=others,drops"
    )
    assert deployment(stack("drops"), look(MemoryBucket()), local=True) == ""


def test_a_bucket_that_notifies_the_queue_already_needs_no_other_way() -> None:
    told = {"Id": "own", "QueueArn": QUEUE, "Events": ["s3:ObjectCreated:*"]}
    bucket = MemoryBucket(configuration={"QueueConfigurations": [told]})
    found = services(bucket, queue=OPEN)
    shown = show(bucket, lambda _: found, DROPS, stack("drops"))
    assert shown.connection.via is Via.SQS
    assert in_place(shown.findings)


# --- Policies ---


def test_a_deny_is_shown_as_it_must_be_and_never_changed() -> None:
    denying = {"Sid": "Closed", "Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": "*"}
    bucket = MemoryBucket(statements=[denying])

    found = of(look(bucket), "bucket policy")

    assert found.level is Level.BLOCKED
    assert found.document == {**denying, "Condition": {"ArnNotLike": {"aws:PrincipalArn": list(ROLES[Side.SOURCE])}}}
    bucket.statements = [found.document]
    assert of(look(bucket), "bucket policy").level is Level.OK


def test_a_deny_that_depends_on_what_nobody_knows_is_a_note() -> None:
    condition = {"StringNotEquals": {"aws:SourceVpce": "vpce-1"}}
    denying = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*", "Condition": condition}
    found = of(look(MemoryBucket(statements=[denying])), "bucket policy")
    assert found.level is Level.NOTE
    assert "aws:SourceVpce" in found.text


@pytest.mark.parametrize("connection", [DROPS, LAKE], ids=["source", "destination"])
def test_a_foreign_bucket_gets_statements_for_exactly_the_roles(connection: Connection) -> None:
    theirs = {"Sid": "Theirs", "Effect": "Allow", "Principal": {"AWS": "1"}, "Action": "s3:Get*", "Resource": "*"}
    bucket = MemoryBucket(owner=OTHER_ACCOUNT, caller=OTHER_ACCOUNT, statements=[theirs])
    found, target, file = services(bucket, stack_rules=LISTED), stack("drops"), MemoryRecordFile()

    apply(found, connection, target, file)

    assert bucket.statements[0] == theirs
    added = bucket.statements[1:]
    assert {role for one in added for role in one["Principal"]["AWS"]} == set(ROLES[connection.side])
    assert of(look(bucket, connection), "bucket policy").level is Level.OK
    writes = bucket.writes
    apply(found, connection, target, file)
    assert bucket.writes == writes

    remove(found, connection, target, file)
    assert bucket.statements == [theirs]


def test_the_role_of_after_actions_may_do_what_the_stack_allows() -> None:
    bucket = MemoryBucket(owner=OTHER_ACCOUNT, caller=OTHER_ACCOUNT)
    for most, action in (("tag", "s3:PutObjectTagging"), ("move", "s3:DeleteObject")):
        changes = changes_of(look(bucket, DROPS, stack("drops", after_actions=most)))
        statements = [change.statement for change in changes if isinstance(change, PutBucketStatement)]
        after = [one for one in statements if one["Principal"]["AWS"] == [f"arn:aws:iam::{ACCOUNT}:role/after"]]
        assert action in after[0]["Action"]
        assert ("s3:ListBucketVersions" in after[1]["Action"]) == (most == "move")


def test_a_policy_that_would_be_too_long_is_refused_before_it_is_written() -> None:
    sid = "L" * 20_400
    bucket = MemoryBucket(owner=OTHER_ACCOUNT, caller=OTHER_ACCOUNT, statements=[{"Sid": sid, "Effect": "Allow"}])
    with pytest.raises(RequestRefusedError, match="20,480"):
        apply(services(bucket, stack_rules=LISTED), DROPS, stack("drops"), MemoryRecordFile())
    assert bucket.writes == 0


# --- Keys ---


def sealed(*statements: dict[str, Any], **metadata: str) -> tuple[MemoryBucket, MemoryKeys]:
    keys = MemoryKeys({KEY: {"Statement": list(statements)}}, {KEY: metadata})
    bucket = MemoryBucket(encryption=("aws:kms", KEY), configuration={"EventBridgeConfiguration": {}})
    return bucket, keys


def test_a_key_that_delegates_to_iam_needs_nothing_but_the_parameter() -> None:
    bucket, keys = sealed(DELEGATED)
    assert in_place(look(bucket, DROPS, stack("drops", keys=[KEY]), keys=keys))
    assert of(look(bucket, keys=keys), "key").level is Level.OK
    assert not in_place(look(bucket, keys=keys))


def test_a_key_that_does_not_gets_a_grant_for_each_role_once() -> None:
    bucket, keys = sealed(ADMINS)
    found, target, file = (
        services(bucket, keys=keys, stack_rules=LISTED),
        stack("drops", keys=[KEY]),
        MemoryRecordFile(),
    )

    apply(found, DROPS, target, file)

    assert [grant["GranteePrincipal"] for grant in keys.granted[KEY]] == list(ROLES[Side.SOURCE])
    assert {tuple(grant["Operations"]) for grant in keys.granted[KEY]} == {("Decrypt",)}
    assert keys.policies[KEY]["Statement"] == [ADMINS]
    assert apply(found, DROPS, target, file) == []
    theirs = {"GrantId": "theirs", "Name": "theirs", "GranteePrincipal": "x", "Operations": ["Decrypt"]}
    keys.granted[KEY].append(theirs)
    remove(found, DROPS, target, file)
    assert keys.granted[KEY] == [theirs]


def test_a_grant_with_constraints_or_of_fewer_operations_does_not_count() -> None:
    bucket, keys = sealed(ADMINS)
    constrained = {"Constraints": {"EncryptionContextSubset": {"a": "b"}}, "Operations": ["Decrypt"]}
    keys.granted[KEY] = [{"GranteePrincipal": role, **constrained} for role in ROLES[Side.SOURCE]]
    assert of(look(bucket, DROPS, stack("drops", keys=[KEY]), keys=keys), "key").level is Level.MISSING
    keys.granted[KEY] = [{"GranteePrincipal": role, "Operations": ["Decrypt"]} for role in ROLES[Side.DESTINATION]]
    assert of(look(bucket, LAKE, stack("drops", keys=[KEY]), keys=keys), "key").level is Level.MISSING


def test_a_key_that_denies_is_not_granted() -> None:
    denying = {"Sid": "Sealed", "Effect": "Deny", "Principal": "*", "Action": "kms:Decrypt", "Resource": "*"}
    bucket, keys = sealed(DELEGATED, denying)
    found = of(look(bucket, DROPS, stack("drops", keys=[KEY]), keys=keys), "key")
    assert (found.level, found.changes) == (Level.BLOCKED, ())
    assert "Sealed" in found.text
    keys.policies[KEY] = {"Statement": [DELEGATED, found.document]}
    assert of(look(bucket, DROPS, stack("drops", keys=[KEY]), keys=keys), "key").level is Level.OK


def test_the_key_of_s3_in_another_account_can_be_lent_to_nobody() -> None:
    bucket, keys = sealed(DELEGATED, KeyManager="AWS")
    assert of(look(bucket, keys=keys), "encryption").level is Level.OK
    bucket.owner = bucket.caller = OTHER_ACCOUNT
    assert of(look(bucket, keys=keys), "encryption").level is Level.BLOCKED


def test_a_key_that_is_disabled() -> None:
    bucket, keys = sealed(DELEGATED, KeyState="PendingDeletion")
    findings = look(bucket, DROPS, stack("drops", keys=[KEY]), keys=keys)
    assert any("PendingDeletion" in finding.text and finding.level is Level.BLOCKED for finding in findings)


# --- What only informs ---


@pytest.mark.parametrize(
    ("bucket", "connection", "check", "text"),
    [
        (MemoryBucket(status=""), DROPS, "versioning", "off"),
        (MemoryBucket(status="Suspended"), DROPS, "versioning", "suspended"),
        (MemoryBucket(owning="ObjectWriter"), DROPS, "object ownership", "ObjectWriter"),
        (MemoryBucket(payer="Requester"), DROPS, "requester pays", "charged"),
        (MemoryBucket(), LAKE, "lifecycle", "no rule"),
        (MemoryBucket(home="eu-west-1"), LAKE, "region", "between the regions"),
        (
            MemoryBucket(lock={"Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 30}}}),
            DROPS,
            "object lock",
            "30 days",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_settings_that_stop_nothing(bucket: MemoryBucket, connection: Connection, check: str, text: str) -> None:
    found = of(look(bucket, connection), check)
    assert found.level is Level.NOTE
    assert text in found.text


def test_a_lifecycle_rule_that_aborts_uploads_too_early_is_a_note() -> None:
    rule = {"Status": "Enabled", "Filter": {}, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7}}
    assert of(look(MemoryBucket(rules=[rule]), LAKE), "lifecycle").level is Level.OK
    rule["AbortIncompleteMultipartUpload"] = {"DaysAfterInitiation": 1}
    assert of(look(MemoryBucket(rules=[rule]), LAKE), "lifecycle").level is Level.NOTE


def test_requester_pays_refuses_other_accounts() -> None:
    bucket = MemoryBucket(payer="Requester", owner=OTHER_ACCOUNT, caller=OTHER_ACCOUNT)
    assert of(look(bucket), "requester pays").level is Level.BLOCKED
