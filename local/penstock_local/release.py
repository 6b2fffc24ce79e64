"""`make release`: everything that a release consists of, in ``dist/``, with the same bytes from every run.

    python -m penstock_local.release [FOLDER]

penstock_aws-VERSION-py3-none-any.whl, .tar.gz      the command and the Python package
penstock-VERSION-RUNTIME-ARCHITECTURE.zip           the built stack: `sam deploy` in its folder, nothing to build
penstock-layer-VERSION-RUNTIME-ARCHITECTURE.zip     its layers alone; also lake-layer and iceberg-layer
penstock-VERSION.cdx.json                           what ships, as CycloneDX (https://cyclonedx.org)
SHA256SUMS                                          for `sha256sum --check`
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from penstock_local.deploy import build
from penstock_local.errors import LocalStackError
from penstock_local.licences import shipped
from penstock_local.sources import checkout
from penstock_local.tools import ensure

ARCHITECTURES = ("x86_64", "arm64")
RUNTIME = "python3.14"
SUMS = "SHA256SUMS"
# The files of layers, by their logical ids.
LAYERS = {
    "PenstockLayer": "penstock-layer",
    "LakeLayer": "penstock-lake-layer",
    "IcebergLayer": "penstock-iceberg-layer",
}

# 1980 is the first year that a zip can name. Tools that build reproducibly read the same from SOURCE_DATE_EPOCH.
_DATE = (1980, 1, 1, 0, 0, 0)
_EPOCH = "315532800"
_EXECUTABLE, _PLAIN = 0o755, 0o644

# The references of a built template to files next to it, by the key that holds them.
_CODE = re.compile(r"^(\s+)(CodeUri|ContentUri): (\w+)$", re.MULTILINE)
_OUTSIDE = re.compile(r"^(\s+)(DefinitionUri|Location): [./]*/((?:statemachine|deploy)/[\w.]+)$", re.MULTILINE)


def release(folder: Path, runtime: str = RUNTIME, architectures: Iterable[str] = ARCHITECTURES) -> list[Path]:
    """Build everything into ``folder``, which is emptied first, and return its files. Raises LocalStackError."""
    root = checkout()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    python = str(ensure("release") / "bin" / "python")
    _run(python, "-m", "build", "--no-isolation", "--outdir", str(folder), str(root))
    version = next(folder.glob("*.whl")).name.split("-")[1]
    for architecture in architectures:
        built = build(runtime, architecture)
        name = f"{version}-{runtime}-{architecture}"
        layers = {code: folder / f"{file}-{name}.zip" for code, file in LAYERS.items()}
        for code, layer in layers.items():
            write_zip(layer, _files(built.parent / code))
        defaults = {"Runtime": runtime, "Architecture": architecture}
        write_zip(folder / f"penstock-{name}.zip", bundle(root, built, layers, defaults))
    _write_bill(python, root, folder / f"penstock-{version}.cdx.json")
    files = sorted(folder.iterdir())
    lines = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files]
    (folder / SUMS).write_text("".join(lines))
    return [*files, folder / SUMS]


def bundle(
    root: Path, built: Path, layers: Mapping[str, Path], defaults: Mapping[str, str]
) -> Iterator[tuple[str, bytes, int]]:
    """Yield name, content and permissions of the files that `sam deploy` needs. ``built``: the template of `sam build`.

    The code of functions and layers are zips in the bundle, which `sam deploy` uploads as they are; ``layers`` has
    those of layers. ``defaults`` are those of the parameters that the code was built for.
    """
    text = _CODE.sub(r"\1\2: code/\3.zip", built.read_text())
    text = _OUTSIDE.sub(r"\1\2: \3", text)
    for name, value in defaults.items():
        text = re.sub(rf"^(  {name}:\n(?:    .*\n)*?    Default: )\S+$", rf"\g<1>{value}", text, flags=re.MULTILINE)
    yield "template.yaml", text.encode(), _PLAIN
    for name in ("samconfig.toml", "LICENSE", "statemachine/job.asl.json", "deploy/operations.yaml"):
        yield name, (root / name).read_bytes(), _PLAIN
    for _, _, code in _CODE.findall(built.read_text()):
        if code in layers:
            yield f"code/{code}.zip", layers[code].read_bytes(), _PLAIN
            continue
        path = built.with_name(f"{code}.zip")
        write_zip(path, _files(built.parent / code))
        yield f"code/{code}.zip", path.read_bytes(), _PLAIN
        path.unlink()


def write_zip(path: Path, files: Iterable[tuple[str, bytes, int]]) -> None:
    """Write a zip of (name, content, permissions). Equal files give equal bytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content, mode in files:
            entry = zipfile.ZipInfo(name, _DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # Unix: the permissions count
            entry.external_attr = (0o100000 | mode) << 16
            archive.writestr(entry, content)


def _files(folder: Path) -> Iterator[tuple[str, bytes, int]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            mode = _EXECUTABLE if os.access(path, os.X_OK) else _PLAIN
            yield path.relative_to(folder).as_posix(), path.read_bytes(), mode


def _write_bill(python: str, root: Path, path: Path) -> None:
    """Write the software bill of materials: all packages of the layers and of the command, with their versions."""
    pins = [f"{line}\n" for line in shipped_pins(root)]
    requirements = path.with_name("shipped.txt")
    requirements.write_text("".join(pins))
    options = ["--output-reproducible", "--output-format", "JSON", "--pyproject", str(root / "pyproject.toml")]
    _run(python, "-m", "cyclonedx_py", "requirements", *options, "--output-file", str(path), str(requirements))
    requirements.unlink()


def shipped_pins(root: Path) -> list[str]:
    """Return ``name==version`` of every package that ships with the layers or the command."""
    return sorted(f"{package.name}=={package.version}" for package in shipped(root))


def _run(*command: str) -> None:
    environment = {**os.environ, "SOURCE_DATE_EPOCH": _EPOCH}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        last = "\n".join((done.stdout + done.stderr).strip().splitlines()[-8:])
        raise LocalStackError(f"{' '.join(command[1:4])} failed:\n{last}")


def main(arguments: list[str]) -> None:
    """Build the release, and print its files."""
    folder = Path(arguments[0]) if arguments else checkout() / "dist"
    try:
        files = release(folder, os.environ.get("PENSTOCK_RUNTIME", RUNTIME))
    except LocalStackError as error:
        sys.exit(f"{error}\n{error.hint or ''}".rstrip())
    for file in files:
        sys.stdout.write(f"{file.stat().st_size:>12,}  {file.name}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
