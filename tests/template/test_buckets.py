"""The guarantees of the stack's buckets."""

from __future__ import annotations

from typing import Any

import pytest

BUCKETS = ("SourceBucket", "DestinationBucket", "WorkBucket")

Resources = dict[str, dict[str, Any]]


def rules(resources: Resources, bucket: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = resources[bucket]["Properties"]["LifecycleConfiguration"]["Rules"]
    return found


def test_the_list_of_buckets_is_complete(resources: Resources) -> None:
    assert {name for name, resource in resources.items() if resource["Type"] == "AWS::S3::Bucket"} == set(BUCKETS)


@pytest.mark.parametrize("bucket", BUCKETS)
class TestEveryBucket:
    def test_blocks_public_access(self, resources: Resources, bucket: str) -> None:
        assert resources[bucket]["Properties"]["PublicAccessBlockConfiguration"] == {
            "BlockPublicAcls": True,
            "BlockPublicPolicy": True,
            "IgnorePublicAcls": True,
            "RestrictPublicBuckets": True,
        }

    def test_has_no_access_control_lists(self, resources: Resources, bucket: str) -> None:
        assert resources[bucket]["Properties"]["OwnershipControls"] == {
            "Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]
        }

    def test_is_encrypted_with_the_given_key_or_with_that_of_s3(self, resources: Resources, bucket: str) -> None:
        (rule,) = resources[bucket]["Properties"]["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert rule["ServerSideEncryptionByDefault"] == {
            "SSEAlgorithm": {"Fn::If": ["UseKmsKey", "aws:kms", "AES256"]},
            "KMSMasterKeyID": {"Fn::If": ["UseKmsKey", {"Ref": "KmsKeyArn"}, {"Ref": "AWS::NoValue"}]},
        }

    def test_refuses_requests_without_tls(self, resources: Resources, bucket: str) -> None:
        policy = resources[f"{bucket}Policy"]
        assert policy["Type"] == "AWS::S3::BucketPolicy"
        assert policy["Properties"]["Bucket"] == {"Ref": bucket}
        assert policy["Properties"]["PolicyDocument"]["Statement"] == [
            {
                "Sid": "TlsOnly",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": [{"Fn::GetAtt": [bucket, "Arn"]}, {"Fn::Sub": f"${{{bucket}.Arn}}/*"}],
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            }
        ]

    def test_aborts_unfinished_uploads(self, resources: Resources, bucket: str) -> None:
        (rule,) = [rule for rule in rules(resources, bucket) if "AbortIncompleteMultipartUpload" in rule]
        assert rule["Status"] == "Enabled"
        assert "Prefix" not in rule
        assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": {"Ref": "UnfinishedUploadDays"}}

    def test_is_retained_after_its_stack_but_not_after_a_failed_creation(
        self, resources: Resources, bucket: str
    ) -> None:
        assert resources[bucket]["DeletionPolicy"] == "RetainExceptOnCreate"
        assert resources[bucket]["UpdateReplacePolicy"] == "Retain"


def test_the_source_has_versioning_so_that_a_job_reads_the_version_of_its_event(resources: Resources) -> None:
    assert resources["SourceBucket"]["Properties"]["VersioningConfiguration"] == {"Status": "Enabled"}


def test_old_versions_of_the_source_expire_after_every_message_that_may_name_them(resources: Resources) -> None:
    (rule,) = [rule for rule in rules(resources, "SourceBucket") if "NoncurrentVersionExpiration" in rule]
    days = rule["NoncurrentVersionExpiration"]["NoncurrentDays"]
    assert days * 86400 > resources["DeadLetterQueue"]["Properties"]["MessageRetentionPeriod"]


def test_the_source_notifies_the_queue_of_every_new_object(resources: Resources) -> None:
    source = resources["SourceBucket"]
    assert source["Properties"]["NotificationConfiguration"] == {
        "QueueConfigurations": [{"Event": "s3:ObjectCreated:*", "Queue": {"Fn::GetAtt": ["IngestQueue", "Arn"]}}]
    }
    assert source["DependsOn"] == "IngestQueuePolicy"


@pytest.mark.parametrize("bucket", ["SourceBucket", "DestinationBucket"])
def test_current_objects_never_expire_from(resources: Resources, bucket: str) -> None:
    assert not any("ExpirationInDays" in rule for rule in rules(resources, bucket))


def test_work_files_expire_and_configuration_does_not(resources: Resources) -> None:
    (rule,) = [rule for rule in rules(resources, "WorkBucket") if "ExpirationInDays" in rule]
    assert rule["Prefix"] == "jobs/"
    assert rule["ExpirationInDays"] == {"Ref": "WorkRetentionDays"}
