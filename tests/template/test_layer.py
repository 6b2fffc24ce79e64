"""The contents of the layers and of functions, built for this interpreter by the Makefiles that `sam build` runs.

They are built under difficult conditions: in a folder with a space and an umlaut in its name, and with a umask under
which only the owner may read files.
"""

from __future__ import annotations

import json
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
LAYERS = {"penstock": "PenstockLayer", "lake": "LakeLayer", "iceberg": "IcebergLayer"}
MAX_ZIPPED_SIZE = 25 * 1024 * 1024  # half of the limit of the Lambda API for uploads without a bucket
# Lambda takes 250 MB for a function and all its layers, unzipped. Later versions of the libraries need room, too.
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
MAX_UNZIPPED_SIZE = 150 * 1024 * 1024
# The machines of ELF, by the architectures of Lambda.
MACHINES = {"x86_64": 62, "arm64": 183}
# Those that the template allows.
RUNTIMES = ("python3.11", "python3.12", "python3.13", "python3.14")
UNCHECKED_HASH = 0b01  # PEP 552

pytestmark = pytest.mark.xdist_group("layers")  # they are built once


def built(source: Path, target: str, folder: Path, **environment: str) -> Path:
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
            **environment,
        },
        umask=0o077,
        check=True,
        timeout=120,
    )
    return artifacts


def size(folder: Path) -> int:
    """The bytes of all files in a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def requirements(name: str) -> list[str]:
    """The pins of a layer."""
    lines = (ROOT / "layers" / name / "requirements.txt").read_text().splitlines()
    return [line.split(";")[0].strip() for line in lines if line and not line.startswith("#")]


def modes(folder: Path) -> set[int]:
    """The permissions of group and others on the contents of a folder."""
    return {path.stat().st_mode & 0o077 for path in folder.rglob("*")}


@pytest.fixture(scope="module")
def layer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return layer_of("penstock", tmp_path_factory.mktemp("layer"))


def layer_of(name: str, folder: Path, target: str = "", **environment: str) -> Path:
    source = shutil.copytree(ROOT / "layers" / name, folder / name)
    shutil.copy(ROOT / "layers" / "Makefile", source)
    return built(source, target or f"build-{LAYERS[name]}", folder, **environment) / "python"


@pytest.fixture(scope="module")
def layers(layer: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """All layers, by the name of their folder."""
    more = {name: layer_of(name, tmp_path_factory.mktemp(name)) for name in LAYERS if name != "penstock"}
    return {"penstock": layer, **more}


@pytest.mark.long
def test_all_layers_together_are_far_below_what_lambda_unzips(layers: dict[str, Path]) -> None:
    sizes = {name: size(path) for name, path in layers.items()}
    figures = ", ".join(f"{name} {total / 1e6:.0f} MB" for name, total in sizes.items())
    print(f"unzipped: {figures}, together {sum(sizes.values()) / 1e6:.0f} MB")  # noqa: T201  # pytest -rP shows it
    assert sum(sizes.values()) < MAX_UNZIPPED_SIZE


@pytest.mark.long
@pytest.mark.parametrize(("architecture", "machine"), MACHINES.items())
def test_what_is_compiled_is_for_the_architecture_and_fits(architecture: str, machine: int, tmp_path: Path) -> None:
    built_layers = [layer_of(name, tmp_path / name, PENSTOCK_ARCHITECTURE=architecture) for name in LAYERS]
    compiled = [file for path in built_layers for file in path.rglob("*.so*") if file.read_bytes()[:4] == b"\x7fELF"]
    assert len(compiled) > 30
    assert {int.from_bytes(file.read_bytes()[18:20], "little") for file in compiled} == {machine}
    assert sum(map(size, built_layers)) < MAX_UNZIPPED_SIZE


@pytest.mark.long
@pytest.mark.parametrize("architecture", MACHINES)
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_every_runtime_has_wheels(runtime: str, architecture: str, tmp_path: Path) -> None:
    """pip only resolves them, and reports which it found."""
    assert f"AllowedValues: [{', '.join(RUNTIMES)}]" in (ROOT / "template.yaml").read_text()
    for name in LAYERS:
        report = tmp_path / f"{name}.json"
        environment = {"PENSTOCK_RUNTIME": runtime, "PENSTOCK_ARCHITECTURE": architecture}
        layer_of(name, tmp_path / name, "install", **environment, PIP_DRY_RUN="1", PIP_REPORT=str(report))
        found = [one["download_info"]["url"] for one in json.loads(report.read_text())["install"]]
        assert len(found) == len(requirements(name))
        assert all(url.endswith((f"_{architecture.replace('arm64', 'aarch64')}.whl", "-any.whl")) for url in found)


def test_no_file_is_in_two_layers(layers: dict[str, Path]) -> None:
    files = [path.relative_to(root) for root in layers.values() for path in root.rglob("*") if path.is_file()]
    assert len(files) == len(set(files))


def test_lambda_can_read_every_layer_whatever_the_umask_was(layers: dict[str, Path]) -> None:
    for path in layers.values():
        assert modes(path) <= {0o044, 0o055}
        assert {one.stat().st_mode & 0o055 for one in path.rglob("*") if one.is_dir()} == {0o055}


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


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_contains_exactly_its_requirements(layers: dict[str, Path], name: str) -> None:
    listed = set(requirements(name))
    held = {f"{found.name}=={found.version}" for found in distributions(path=[str(layers[name])])}
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


# Modules that only routes to and from the lake import.
LAKE = (
    "penstock.destinations.iceberg",
    "penstock.destinations.parquet",
    "penstock.formats.avro",
    "penstock.formats.parquet",
)
IMPORTING = """
import importlib, sys
names, lake = {names}, {lake}
for name in names:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name.split(".")[0]
        assert missing in lake and name.startswith({folders}), f"{{name}} lacks {{error.name}}"
"""


def import_everything(path: list[Path], optional: set[str]) -> None:
    """Import every module of the package; those of the lake may lack packages that are ``optional``."""
    package = path[0] / "penstock"
    modules = [file.relative_to(path[0]).with_suffix("").parts for file in package.rglob("*.py")]
    names = {".".join(part for part in parts if part != "__init__") for parts in modules if "testing" not in parts}
    program = IMPORTING.format(names=sorted(names), lake=optional or {""}, folders=LAKE)
    subprocess.run(
        [sys.executable, "-B", "-S", "-c", program + COMPILED],
        env={"PYTHONPATH": os.pathsep.join(map(str, path))},
        check=True,
        timeout=60,
    )


COMPILED = """
import anycrc, inflate64, isal.igzip_lib, zlib_ng.zlib_ng, zstandard, smart_open.s3, aws_lambda_powertools.tracing
assert zstandard.backend == "cext", zstandard.backend
from penstock.archives.zip.zipcrypto import compiled
assert compiled()
"""


@pytest.mark.long
def test_the_layer_needs_only_the_aws_sdk_of_the_lambda_runtime_for_all_but_the_lake(layer: Path, sdk: Path) -> None:
    import_everything([layer, sdk], optional={"arro3", "fastavro", "pyiceberg"})


def test_the_layers_need_only_the_aws_sdk_of_the_lambda_runtime(layers: dict[str, Path], sdk: Path) -> None:
    import_everything([*layers.values(), sdk], optional=set())


def test_what_commits_to_tables_is_compiled(layers: dict[str, Path], sdk: Path) -> None:
    program = "import arro3.core, arro3.io, fastavro._read, fastavro._write, pyiceberg.avro.decoder_fast"
    path = os.pathsep.join(map(str, [*layers.values(), sdk]))
    subprocess.run([sys.executable, "-B", "-S", "-c", program], env={"PYTHONPATH": path}, check=True, timeout=60)


def test_the_layers_contain_neither_the_aws_sdk_nor_tests(layers: dict[str, Path]) -> None:
    for path in layers.values():
        assert not {"boto3", "botocore", "s3transfer", "urllib3"} & {one.name for one in path.iterdir()}
        assert not list(path.rglob("tests"))


@pytest.mark.parametrize(
    ("name", "module"),
    [("penstock", "penstock/delivery/decoding.py"), ("lake", "fastavro/schema.py"), ("iceberg", "pyiceberg/schema.py")],
)
def test_the_bytecode_of_a_layer_is_used_without_a_check_of_its_source(
    layers: dict[str, Path], name: str, module: str
) -> None:
    bytecode = Path(cache_from_source(str(layers[name] / module))).read_bytes()
    assert bytecode[:4] == MAGIC_NUMBER
    assert int.from_bytes(bytecode[4:8], "little") == UNCHECKED_HASH


@pytest.mark.parametrize(
    "name", ["penstock", pytest.param("lake", marks=pytest.mark.long), pytest.param("iceberg", marks=pytest.mark.long)]
)
def test_a_layer_is_small(layers: dict[str, Path], name: str, tmp_path: Path) -> None:
    assert Path(shutil.make_archive(str(tmp_path / name), "zip", layers[name])).stat().st_size < MAX_ZIPPED_SIZE
