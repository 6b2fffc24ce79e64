"""Nothing that is asked of AWS is younger than the oldest botocore that is supported (docs/adr/0003).

The Lambda runtime brings botocore, of its own age. ``python tests/unit/test_oldest_botocore.py``, under that
botocore, writes the names that it knows.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import botocore
from botocore import xform_name
from botocore.config import Config
from botocore.session import get_session
from packaging.version import Version

ROOT = Path(__file__).parents[2]
OLDEST = "1.36.0"
KNOWN = ROOT / f"tests/fixtures/botocore-{OLDEST}.txt"
# Words of our own that are also names of younger ones.
ELSEWHERE = {"Dimensions", "KmsKeyArn", "Level", "MD5", "Pending", "ResourceType", "aws", "context"}
SERVICES = ("s3", "dynamodb", "sqs", "stepfunctions", "events", "secretsmanager")


def names() -> set[str]:
    """Operations, as clients have them, members of their shapes, and options of clients."""
    session = get_session()
    found = set(Config.OPTION_DEFAULTS)
    for service in SERVICES:
        model = session.get_service_model(service)
        found |= {xform_name(operation) for operation in model.operation_names}
        for shape in map(model.shape_for, model.shape_names):
            found |= set(getattr(shape, "members", ())) | set(getattr(shape, "enum", ()))
    return found


def said() -> Iterator[str]:
    """Whatever may be such a name in the code that talks to AWS."""
    for file in (ROOT / "layers/penstock/penstock").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            match node:
                case ast.Constant(value=str(text)):
                    yield text
                case ast.keyword(arg=str(name)):
                    yield name
                case ast.Attribute(attr=name):
                    yield name


def test_nothing_younger_than_the_oldest_botocore_is_asked_for() -> None:
    known = set(KNOWN.read_text().split())
    assert {"create_multipart_upload", "ChecksumType", "IfNoneMatch", "request_checksum_calculation"} <= known
    younger = names() - known
    assert younger & set(said()) <= ELSEWHERE


def test_the_oldest_botocore_is_named_where_people_look() -> None:
    assert OLDEST in (ROOT / "docs/adr/0003-boto3-comes-from-the-runtime.md").read_text()
    assert Version(botocore.__version__) >= Version(OLDEST)


if __name__ == "__main__":
    KNOWN.write_text("\n".join(sorted(names())) + "\n")
