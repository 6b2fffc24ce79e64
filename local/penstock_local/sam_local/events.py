"""The events of events/, with values that only exist at run time."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote_plus

from penstock_local.sources import checkout


def event_file(name: str) -> Any:
    """The content of an event file in events/."""
    return json.loads((checkout() / "events" / f"{name}.json").read_text())


def with_real_objects(event: Any, heads: dict[str, dict[str, Any]]) -> Any:
    """The event with the versions, ETags and sizes of the uploaded objects."""
    match event:
        case {"Records": [{"eventSource": "aws:sqs"}, *_]}:
            bodies = (json.dumps(with_real_objects(json.loads(record["body"]), heads)) for record in event["Records"])
            records = [{**record, "body": body} for record, body in zip(event["Records"], bodies, strict=True)]
            return {**event, "Records": records}
        case {"Records": [{"s3": {"object": entity}} as record]}:
            real = heads[unquote_plus(entity["key"])]
            real = {"versionId": real["VersionId"], "eTag": real["ETag"].strip('"'), "size": real["ContentLength"]}
            present = {name: real[name] for name in real if name in entity}
            return {**event, "Records": [{**record, "s3": {**record["s3"], "object": entity | present}}]}
        case {"detail": {"object": entity}}:
            head = heads[entity["key"]]
            real = {"version-id": head["VersionId"], "etag": head["ETag"].strip('"'), "size": head["ContentLength"]}
            return {**event, "detail": {**event["detail"], "object": entity | real}}
    return event
