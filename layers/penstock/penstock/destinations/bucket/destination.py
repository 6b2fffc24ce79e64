"""A bucket takes one object for each source."""

from __future__ import annotations

from penstock.destinations.declaration import Destination

BUCKET = Destination(name="bucket", prefix="s3://", example="s3://bucket/key", syntax=r"s3://[^/]+/.+")
