"""The contents of the layer and of functions, built for this interpreter by the Makefiles that `sam build` runs.

They are built under difficult conditions: in a folder with a space and an umlaut in its name, and with a umask under
which only the owner may read files.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from importlib.metadata import distributions
from importlib.util import MAGIC_NUMBER, cache_from_source, find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RUNTIME = f"python{sys.version_info.major}.{sys.version_info.minor}"
MAX_ZIPPED_SIZE = 25 * 1024 * 1024  # half of the limit of the Lambda API for uploads without a bucket
UNCHECKED_HASH = 0b01  # PEP 552


def built(source: Path, target: str, folder: Path) -> Path:
    """Run a Makefile in a copy of its folder, as `sam build` does, and return the artifacts."""
    artifacts = folder / "the layer's ü"
    artifacts.mkdir(parents=True)
    copy = shutil.copytree(source, folder / "a copy ü" / source.name)
    subprocess.run(
        ["make", "--silent", "--makefile", str(copy / "Makefile"), target],
        cwd=copy,
        env={
            **os.environ,
            "ARTIFACTS_DIR": str(artifacts),
            "PENSTOCK_RUNTIME": RUNTIME,
            "PENSTOCK_ARCHITECTURE": "arm64" if platform.machine() in {"aarch64", "arm64"} else "x86_64",
            "PENSTOCK_PYTHON": sys.executable,
        },
        umask=0o077,
        check=True,
        timeout=120,
    )
    return artifacts


def modes(folder: Path) -> set[int]:
    """The permissions of group and others on the contents of a folder."""
    return {path.stat().st_mode & 0o077 for path in folder.rglob("*")}


@pytest.fixture(scope="module")
def layer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    artifacts = built(ROOT / "layers" / "penstock", "build-PenstockLayer", tmp_path_factory.mktemp("layer"))
    return artifacts / "python"


def test_lambda_can_read_the_layer_whatever_the_umask_was(layer: Path) -> None:
    assert modes(layer) <= {0o044, 0o055}
    assert {path.stat().st_mode & 0o055 for path in layer.rglob("*") if path.is_dir()} == {0o055}


@pytest.mark.parametrize("verb", [path.name for path in sorted((ROOT / "functions").iterdir()) if path.is_dir()])
def test_a_function_contains_only_its_handler_which_lambda_can_read(verb: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "functions" / verb, tmp_path / verb)
    shutil.copy(ROOT / "functions" / "Makefile", tmp_path / verb)
    function = built(tmp_path / verb, f"build-{verb}", tmp_path)
    assert [path.name for path in function.iterdir()] == ["app.py"]
    assert modes(function) == {0o044}


def test_the_layer_contains_the_package_its_routes_and_the_authorities_of_rds(layer: Path) -> None:
    assert (layer / "penstock" / "routes.toml").read_bytes() == (ROOT / "routes.toml").read_bytes()
    assert (layer / "penstock" / "rds-ca.pem").read_bytes().count(b"BEGIN CERTIFICATE") > 80
    assert (layer / "penstock" / "__init__.py").is_file()


def test_the_layer_contains_exactly_its_requirements(layer: Path) -> None:
    lines = (ROOT / "layers" / "penstock" / "requirements.txt").read_text().splitlines()
    listed = {line.split(";")[0].strip() for line in lines if line and not line.startswith("#")}
    held = {f"{found.name}=={found.version}" for found in distributions(path=[str(layer)])}
    assert {item.replace("_", "-").lower() for item in held} == {item.replace("_", "-").lower() for item in listed}


@pytest.fixture
def sdk(tmp_path: Path) -> Path:
    """A folder with only the AWS SDK, as in the Lambda runtime."""
    for name in ("boto3", "botocore", "s3transfer", "dateutil", "urllib3", "six"):
        spec = find_spec(name)
        origin = Path(spec.origin or "") if spec else Path()
        package = origin.parent if origin.name == "__init__.py" else origin
        (tmp_path / package.name).symlink_to(package)
    return tmp_path


def test_the_layer_needs_only_the_aws_sdk_of_the_lambda_runtime(layer: Path, sdk: Path) -> None:
    modules = [file.relative_to(layer).with_suffix("").parts for file in (layer / "penstock").rglob("*.py")]
    names = {".".join(part for part in parts if part != "__init__") for parts in modules if "testing" not in parts}
    program = f"""
import importlib
for name in {sorted(names)}:
    importlib.import_module(name)
import anycrc, inflate64, isal.igzip_lib, zlib_ng.zlib_ng, zstandard, smart_open.s3, aws_lambda_powertools.tracing
assert zstandard.backend == "cext", zstandard.backend
from penstock.archives.zip.zipcrypto import compiled
assert compiled()
"""
    subprocess.run(
        [sys.executable, "-B", "-S", "-c", program],
        env={"PYTHONPATH": os.pathsep.join([str(layer), str(sdk)])},
        check=True,
        timeout=60,
    )


def test_the_layer_contains_neither_the_aws_sdk_nor_tests(layer: Path) -> None:
    assert not {"boto3", "botocore"} & {path.name for path in layer.iterdir()}
    assert not list(layer.rglob("tests"))


def test_the_bytecode_of_the_layer_is_used_without_a_check_of_its_source(layer: Path) -> None:
    source = layer / "penstock" / "delivery" / "decoding.py"
    bytecode = Path(cache_from_source(str(source))).read_bytes()
    assert bytecode[:4] == MAGIC_NUMBER
    assert int.from_bytes(bytecode[4:8], "little") == UNCHECKED_HASH


def test_the_layer_is_small(layer: Path, tmp_path: Path) -> None:
    assert Path(shutil.make_archive(str(tmp_path / "layer"), "zip", layer)).stat().st_size < MAX_ZIPPED_SIZE
