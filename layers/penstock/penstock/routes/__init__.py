"""Routes: which keys match, how their objects are decoded and where they go."""

from penstock.routes.matching import (
    BUCKET_NAME,
    Routes,
    check_target,
    destination_of,
    overlap,
    render_target,
    takes_member,
)
from penstock.routes.reading import parse_routes
from penstock.routes.stack_buckets import NO_STACK, StackBuckets

__all__ = [
    "BUCKET_NAME",
    "NO_STACK",
    "Routes",
    "StackBuckets",
    "check_target",
    "destination_of",
    "overlap",
    "parse_routes",
    "render_target",
    "takes_member",
]
