"""The names that the template composes for a local stack, as needed to check routes before the deployment."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.routes import StackBuckets
from penstock.routes.stack_buckets import meaning
from penstock_local import process
from penstock_local.deploy import STACK_NAME

KINDS = {"source": "SourceBucketNames", "destination": "DestinationBucketNames"}
WORK_BUCKET = f"{STACK_NAME}-work-{process.ACCOUNT_ID}-{process.REGION}"


def stack_names(parameters: Mapping[str, str]) -> tuple[Mapping[str, str], StackBuckets]:
    """Return the names that routes may use, and all buckets, of a stack with these parameters of the template."""
    creates = parameters.get("CreateBuckets", "true") == "true"
    own = {kind: f"{STACK_NAME}-{kind}-{process.ACCOUNT_ID}-{process.REGION}" * creates for kind in KINDS}
    listed = {kind: parameters.get(parameter, "").split(",") for kind, parameter in KINDS.items()}
    buckets = StackBuckets(*(tuple(filter(None, (own[kind], *listed[kind]))) for kind in KINDS))
    names = {
        "source_bucket": meaning(own["source"], buckets.sources),
        "destination_bucket": meaning(own["destination"], buckets.destinations),
        "work_bucket": WORK_BUCKET,
        "records_table": "records",  # the deployment generates the real name
    }
    return names, buckets
