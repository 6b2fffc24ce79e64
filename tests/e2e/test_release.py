"""The release: two runs give the same bytes, and `sam deploy` takes the stack of the release without a build."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
import yaml

from penstock_local.deploy import ARCHITECTURE, RUNTIME, deploy
from penstock_local.release import SUMS, release
from penstock_local.sources import checkout
from penstock_local.stack import running
from penstock_local.tools import ensure
from stack_jobs import job_of

# The command of the CDK, from npm.
CDK = "2.1148.1"
# What a resource has beside its properties.
KEPT = ("Type", "Condition", "DependsOn", "DeletionPolicy", "UpdateReplacePolicy")

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("stack"), pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("release")
    return {file.name: file for file in release(folder / "first", RUNTIME, [ARCHITECTURE])}


def test_two_releases_have_the_same_bytes(files: dict[str, Path], tmp_path: Path) -> None:
    again = {file.name: file for file in release(tmp_path / "again", RUNTIME, [ARCHITECTURE])}
    assert again[SUMS].read_text() == files[SUMS].read_text()


def test_the_sums_are_those_of_all_files(files: dict[str, Path]) -> None:
    listed = dict(line.split()[::-1] for line in files[SUMS].read_text().splitlines())
    assert listed == {
        name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in files.items() if name != SUMS
    }


def test_the_bill_of_materials_has_a_version_for_every_package(files: dict[str, Path]) -> None:
    bill = json.loads(next(file for name, file in files.items() if name.endswith(".cdx.json")).read_text())
    assert bill["bomFormat"] == "CycloneDX"
    assert {component["name"] for component in bill["components"]} >= {"isal", "psycopg", "boto3"}
    assert all(component["version"] for component in bill["components"])


@pytest.fixture(scope="module")
def bundle(files: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked stack of the release."""
    name = next(name for name in files if name.startswith("penstock-0") and name.endswith(f"{ARCHITECTURE}.zip"))
    folder = tmp_path_factory.mktemp("bundle")
    with zipfile.ZipFile(files[name]) as archive:
        archive.extractall(folder)
    return folder


@pytest.mark.skipif(not shutil.which("npm"), reason="the AWS CDK needs Node.js, and npm to install it")
def test_the_cdk_application_has_every_resource_of_the_template(bundle: Path, tmp_path: Path) -> None:
    subprocess.run(["npm", "install", "--silent", "--no-fund", f"aws-cdk@{CDK}"], cwd=tmp_path, check=True)
    python = ensure("cdk") / "bin" / "python"
    cdk = tmp_path / "node_modules" / ".bin" / "cdk"
    application = ["--app", f"{python} app.py", "--context", f"release={bundle}", "--output", str(tmp_path / "out")]
    subprocess.run([cdk, "synth", "--quiet", *application], cwd=checkout() / "deploy" / "cdk", check=True)
    made = json.loads((tmp_path / "out" / "penstock.template.json").read_text())
    template = yaml.safe_load((bundle / "template.yaml").read_text())
    resources = template["Resources"]
    resources |= yaml.safe_load((bundle / resources.pop("Fn::Transform")["Parameters"]["Location"]).read_text())
    assert made["Transform"] == template["Transform"]
    conditions = [
        {name: output.get("Condition") for name, output in one["Outputs"].items()} for one in (made, template)
    ]
    assert conditions[0] == conditions[1]
    assert made["Rules"].items() >= template["Rules"].items()
    assert made["Resources"].keys() - {"CDKMetadata"} == resources.keys()
    shared = template["Globals"]["Function"]
    for name, resource in resources.items():
        found = made["Resources"][name]
        assert {key: found.get(key) for key in KEPT} == {key: resource.get(key) for key in KEPT}
        own = {key: value for key, value in resource.get("Properties", {}).items() if not key.endswith("Uri")}
        if resource["Type"] != "AWS::Serverless::Function":
            assert found.get("Properties", {}).items() >= own.items()
            continue
        variables = own.pop("Environment", {}).get("Variables", {}) | shared["Environment"]["Variables"]
        assert found["Properties"]["Environment"]["Variables"] == variables
        assert found["Properties"]["Handler"] == shared["Handler"]
        assert found["Properties"]["Runtime"] == {"Ref": "Runtime"}


def test_the_stack_of_the_release_is_deployed_and_delivers(bundle: Path, tmp_path: Path) -> None:
    # It names the bucket for the code, and the tags, of a real account.
    (bundle / "samconfig.toml").unlink()
    with running(state_dir=tmp_path / "state") as stack:
        parameters = {"PostgresDsn": stack.postgres_dsn, "MemorySize": "256"}
        deploy(stack, bundle / "template.yaml", parameters, tmp_path / "state")
        code = stack.client("lambda").get_function_configuration(FunctionName=stack.ingest_function)
        assert code["MemorySize"] == 256
        stack.client("s3").put_object(Bucket=stack.source_bucket, Key="r.txt.gz", Body=gzip.compress(b"released"))
        assert job_of(stack, "r.txt.gz")["state"]["S"] == "succeeded"
        body = stack.client("s3").get_object(Bucket=stack.destination_bucket, Key="r.txt")["Body"]
        assert body.read() == b"released"
