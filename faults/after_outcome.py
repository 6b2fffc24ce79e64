"""Checks what became of the objects of a run's sources: none is lost, none acted on twice, no newer one touched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from faults.after_kinds import ATTRIBUTES, DONE, QUARANTINE, TAGS
from faults.servers import RunResources
from faults.sources import JobKind
from penstock.model.object import Source

OPEN = ("pending", "acting")


def is_open(job: Mapping[str, Any]) -> bool:
    """Whether an action is still to be done for an ended job."""
    plan, state = job.get("after") or {}, job["state"]
    action = plan.get({"succeeded": "success", "failed": "failure"}.get(state, ""), "")
    return bool(action) and job["after_state"] in OPEN


def after_problems(
    resources: RunResources,
    kind: JobKind,
    jobs: Sequence[Mapping[str, Any]],
    sources: Sequence[Source],
    newer: Mapping[str, Source],
) -> list[str]:
    """Return what is wrong. ``newer`` are versions that came while an action was under way, by key."""
    if kind.after is None:
        return []
    wrong = []
    own = {job["source"]: job for job in jobs if "member" not in job}
    for source in sources:
        checked = _Checked(resources, kind, source, own.get(source.uri), newer.get(source.key))
        wrong += [f"{source.key}: {one}" for one in checked.problems()]
    return wrong


class _Checked:
    """One source, its job, and the version that came later, if any."""

    def __init__(
        self,
        resources: RunResources,
        kind: JobKind,
        source: Source,
        job: Mapping[str, Any] | None,
        newer: Source | None,
    ) -> None:
        self.resources, self.kind, self.source, self.job, self.newer = resources, kind, source, job, newer
        self.s3 = resources.servers.client("s3")
        self.data = kind.files()[source.key.rpartition("/")[2]]
        self.state = str(job["state"]) if job else ""
        self.after = str(job.get("after_state", "")) if job else ""
        plan: Mapping[str, str] = job.get("after", {}) if job else {}
        self.action = plan.get({"succeeded": "success", "failed": "failure"}.get(self.state, ""), "")

    def problems(self) -> list[str]:
        wrong = self._newer_touched() + self._lost() + self._misplaced()
        if not self.action or self.after in OPEN:
            return wrong
        if self.after == "failed":
            return [*wrong, f"the action failed: {self.job and self.job.get('after_message')}"]
        if self.after == "skipped":
            return wrong if self.newer else [*wrong, f"was skipped: {self.job and self.job.get('after_message')}"]
        return wrong + self._undone()

    def _newer_touched(self) -> list[str]:
        if self.newer is None:
            return []
        held = self._held(self.source.key)
        if held is None or held.get("VersionId", "") != self.newer.version_id:
            return ["the newer version is not the current one"]
        # S3 has no condition for tags. Without a version id, the record says that they may be on the newer one.
        is_told = "came in between" in str(self.job and self.job.get("after_message"))
        is_tagged = "penstock-state" in self._tags(self.source.key) and not is_told
        is_changed = held["ETag"].strip('"') != self.newer.etag
        return ["the newer version was touched"] if is_tagged or is_changed else []

    def _lost(self) -> list[str]:
        """The bytes are at the old place, or at a new one, unless they were to be deleted."""
        bucket, key, version = self.source.bucket, self.source.key, self.source.version_id
        may_be_deleted = self.action.startswith("delete") and (self.action != "delete" or not version)
        may_be_deleted |= self.newer is not None and not version  # whoever overwrote it did so
        places = [(key, version), *((prefix + key, "") for prefix in (DONE, QUARANTINE))]
        if may_be_deleted or any(self._reads(bucket, *place) for place in places):
            return []
        return ["its bytes are nowhere"]

    def _misplaced(self) -> list[str]:
        """An object at a new place is whole, once, and has all that it had; the record knows it."""
        wrong = []
        location: Mapping[str, str] = (self.job or {}).get("location") or {}
        is_deleted = self.action.startswith("delete") and self.after not in ("skipped", "failed")
        if location and not is_deleted and not self._reads(self.source.bucket, location["key"], location["version"]):
            wrong.append(f"is not at {location['key']}, where its record has it")
        for prefix in (DONE, QUARANTINE):
            key = prefix + self.source.key
            versions = [one for one in self._versions(prefix) if one["Key"] == key and "Size" in one]
            if not versions or self._held(key) is None:
                continue
            if len(versions) > 1:
                wrong.append(f"is {len(versions)} times at {key}")
            wrong += self._changed(key)
            if location.get("key") != key and self.after not in OPEN:
                wrong.append(f"is at {key}, which its record does not say")
        return wrong

    def _undone(self) -> list[str]:
        """What an ended action has not done."""
        key = self.source.key
        held = None if self.newer else self._held(key)
        if self.action == "tag":
            tags = self._tags(key, self.source.version_id)
            is_tagged = tags.get("penstock-state") == self.state and TAGS.items() <= tags.items()
            return [] if is_tagged else [f"tags: {tags}"]
        if held is not None:
            return [f"{self.action}: the object is still there"]
        if self.action.startswith("move:"):
            target = self.action.removeprefix("move:") + key
            tags = self._tags(target) if self._held(target) else {}
            return [] if tags.get("penstock-state") == self.state else [f"is not at {target}, or with tags {tags}"]
        versions = [one for one in self._versions("") if one["Key"] == key]
        if self.action == "delete" and self.source.version_id and not self.newer:
            return [] if {"Size" in one for one in versions} == {True, False} else [f"{len(versions)} versions"]
        return []

    def _changed(self, key: str) -> list[str]:
        answer = self.s3.get_object(Bucket=self.source.bucket, Key=key)
        kept = {name: answer.get(name) for name in ATTRIBUTES}
        wrong = [] if answer["Body"].read() == self.data else [f"{key} has other bytes"]
        return wrong if kept == ATTRIBUTES else [*wrong, f"{key} has {kept}"]

    def _reads(self, bucket: str, key: str, version: str) -> bool:
        given = {"VersionId": version} if version else {}
        try:
            return bool(self.s3.get_object(Bucket=bucket, Key=key, **given)["Body"].read() == self.data)
        except ClientError:
            return False

    def _held(self, key: str) -> Mapping[str, Any] | None:
        try:
            found: Mapping[str, Any] = self.s3.head_object(Bucket=self.source.bucket, Key=key)
        except ClientError:
            return None
        return found

    def _tags(self, key: str, version: str = "") -> dict[str, str]:
        given = {"VersionId": version} if version else {}
        answer = self.s3.get_object_tagging(Bucket=self.source.bucket, Key=key, **given)
        return {tag["Key"]: tag["Value"] for tag in answer["TagSet"]}

    def _versions(self, prefix: str) -> list[dict[str, Any]]:
        return self.resources.versions(self.source.bucket, prefix)
