"""The events as they stand in events/, and what only exists at run time fitted in."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote_plus

from penstock_local.tools import checkout


def event_file(name: str) -> Any:
    """An event as it stands in events/."""
    return json.loads((checkout() / "events" / f"{name}.json").read_text())


def fitted(event: Any, heads: dict[str, dict[str, Any]]) -> Any:
    """The event, with the versions, ETags and sizes of the objects that are really there."""
    match event:
        case {"Records": [{"eventSource": "aws:sqs"}, *_]}:
            bodies = (json.dumps(fitted(json.loads(record["body"]), heads)) for record in event["Records"])
            records = [{**record, "body": body} for record, body in zip(event["Records"], bodies, strict=True)]
            return {**event, "Records": records}
        case {"Records": [{"s3": {"object": thing}} as record]}:
            real = heads[unquote_plus(thing["key"])]
            real = {"versionId": real["VersionId"], "eTag": real["ETag"].strip('"'), "size": real["ContentLength"]}
            known = {name: real[name] for name in real if name in thing}
            return {**event, "Records": [{**record, "s3": {**record["s3"], "object": thing | known}}]}
        case {"detail": {"object": thing}}:
            head = heads[thing["key"]]
            real = {"version-id": head["VersionId"], "etag": head["ETag"].strip('"'), "size": head["ContentLength"]}
            return {**event, "detail": {**event["detail"], "object": thing | real}}
    return event
