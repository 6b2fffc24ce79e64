"""Patches of event source mappings of DynamoDB streams."""
# ruff: noqa: SLF001  # patches replace private names; the version is pinned and checked

from __future__ import annotations

import json
import time
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ministack.services import dynamodb, lambda_svc  # type: ignore[import-not-found]  # installed in another virtual environment

from penstock_local.emulator.patches.machines import refused

READS = ("dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams")
BURIES = {"sqs": "sqs:SendMessage", "sns": "sns:Publish"}


@dataclass
class _Batch:
    """Records that are delivered together, and how often that failed."""

    records: Sequence[dict[str, Any]]
    failures: int = 0


def process_streams_as_lambda_does() -> None:
    """A mapping of a DynamoDB stream reads under the function's role, and obeys its settings for failures.

    The role needs ``READS`` on the stream, and the right to send to the destination of failures. A partial batch
    response moves the checkpoint to its lowest sequence number; an error splits a batch in two, if the mapping says
    so. Each is one retry of ``MaximumRetryAttempts``, except the split. Records that are too old or were retried as
    often go to the destination as metadata, and the shard moves on. MiniStack reads without rights, ignores partial
    responses, retries for ever, and does so in the thread that polls all other sources.
    https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html
    https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html
    https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-eventsourcemapping.html
    """
    mappings = _Mappings()
    lambda_svc._poll_dynamodb_streams = mappings.poll


class _Mappings:
    """The batches that each mapping has read, and not yet delivered or discarded."""

    def __init__(self) -> None:
        self._pending: dict[str, deque[_Batch]] = defaultdict(deque)

    def poll(self) -> bool:
        """Start the next batch of each mapping that has none in flight. Returns whether there was any."""
        found = False
        for account, region, mapping in lambda_svc._iter_all_esms():
            tokens = lambda_svc._request_account_id.set(account), lambda_svc._request_region.set(region)
            try:
                found = self._start(mapping) or found
            finally:
                lambda_svc._request_account_id.reset(tokens[0])
                lambda_svc._request_region.reset(tokens[1])
        return found

    def _start(self, mapping: Any) -> bool:
        arn, name = mapping.get("EventSourceArn", ""), mapping["UUID"]
        if ":dynamodb:" not in arn or not mapping.get("Enabled", True):
            return False
        function, _ = lambda_svc._get_func_record_for_qualifier(mapping["FunctionName"], mapping.get("Qualifier"))
        table = arn.split("/stream/")[0].rpartition("/")[2]
        known = dynamodb._tables.get(table)
        if function is None or not known or known.get("LatestStreamArn") != arn:
            return False
        resting = lambda_svc._esm_backoff_until.get(name, 0) > time.time()
        if resting or lambda_svc._esm_inflight.get(name):
            return False
        role = function["config"]["Role"]
        if problem := next((text for right in READS if (text := refused(role, right, arn))), ""):
            mapping["LastProcessingResult"] = f"PROBLEM: {problem}"
            self._rest(name)
            return False
        batches = self._pending[name]
        if not batches and not self._read(mapping, table, batches):
            return False
        if batches:
            lambda_svc._dispatch_esm_batch(name, self._deliver, mapping, function, batches)
        return True

    def _read(self, mapping: Any, table: str, batches: deque[_Batch]) -> bool:
        """Read the next records, and keep those that the filters let through. Returns whether there were any."""
        name, horizon = mapping["UUID"], dynamodb.stream_start_position(table)
        with lambda_svc._dynamodb_stream_positions_lock:
            positions = lambda_svc._dynamodb_stream_positions
            newest = dynamodb.stream_end_position(table)
            first = horizon if mapping.get("StartingPosition") == "TRIM_HORIZON" else newest
            position = max(positions.setdefault(name, first), horizon)
            read = dynamodb.stream_records_since(table, position, int(mapping.get("BatchSize", 100)))
            positions[name] = position + len(read)
        if kept := lambda_svc._apply_filter_criteria(read, mapping):
            batches.append(_Batch(kept))
        return bool(read)

    def _deliver(self, mapping: Any, function: Any, batches: deque[_Batch]) -> None:
        """Invoke the function with the first batch, and keep what must be retried."""
        batch, name = batches[0], mapping["UUID"]
        outcome = lambda_svc._execute_function(function, {"Records": list(batch.records)})
        left = _left_of(batch, outcome, mapping)
        batches.popleft()
        if not left:
            mapping["LastProcessingResult"] = f"OK - {len(batch.records)} records"
            return
        mapping["LastProcessingResult"] = "FAILED"
        lambda_svc.logger.warning("mapping of %s failed: %s", mapping["FunctionName"], outcome.get("body"))
        batches.extendleft(reversed([one for one in left if not self._discard(one, outcome, mapping, function)]))
        self._rest(name)

    def _discard(self, batch: _Batch, outcome: Any, mapping: Any, function: Any) -> bool:
        """Send the metadata of a batch that may not be retried to the destination. Returns whether it may not."""
        retries = int(mapping.get("MaximumRetryAttempts", -1))
        oldest = min(float(one["dynamodb"]["ApproximateCreationDateTime"]) for one in batch.records)
        age = int(mapping.get("MaximumRecordAgeInSeconds", -1))
        condition = ""
        if 0 <= retries < batch.failures:
            condition = "RetryAttemptsExhausted"
        elif 0 < age < time.time() - oldest:
            condition = "RecordAgeExceeded"
        target = ((mapping.get("DestinationConfig") or {}).get("OnFailure") or {}).get("Destination", "")
        if condition and target:
            right = BURIES[target.split(":")[2]]
            if problem := refused(function["config"]["Role"], right, target):
                mapping["LastProcessingResult"] = f"PROBLEM: {problem}"
            else:
                lambda_svc._send_ddb_stream_failure_record(
                    mapping, function, list(batch.records), mapping["EventSourceArn"], outcome, condition
                )
        return bool(condition)

    def _rest(self, name: str) -> None:
        lambda_svc._esm_backoff_until[name] = time.time() + lambda_svc._ESM_BACKOFF_SECONDS


def _left_of(batch: _Batch, outcome: Any, mapping: Any) -> Sequence[_Batch]:
    """The batches to retry after an invocation; none if it succeeded."""
    records, half = batch.records, len(batch.records) // 2
    if outcome.get("error"):
        if _is_true(mapping.get("BisectBatchOnFunctionError")) and half:
            return [_Batch(records[:half], batch.failures), _Batch(records[half:], batch.failures)]
        return [_Batch(records, batch.failures + 1)]
    body = outcome.get("body")
    body = json.loads(body) if isinstance(body, str) and body.startswith("{") else body
    if "ReportBatchItemFailures" not in (mapping.get("FunctionResponseTypes") or ()) or not isinstance(body, dict):
        return []
    failed = [str(one.get("itemIdentifier") or "") for one in body.get("batchItemFailures") or ()]
    numbers = [one["dynamodb"]["SequenceNumber"] for one in records]
    if not failed:
        return []
    if not set(failed) <= set(numbers):
        return [_Batch(records, batch.failures + 1)]  # a complete failure
    first = min(map(numbers.index, failed))
    # Records that come to the front have not failed yet, as far as the checkpoint shows.
    return [_Batch(records[first:], batch.failures + 1 if first == 0 else 1)]


def _is_true(value: object) -> bool:
    """CloudFormation passes booleans as text, too."""
    return str(value).lower() == "true"
