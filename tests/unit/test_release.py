"""`make release`: the same bytes from every run, and a stack that `sam deploy` takes as it is."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
import yaml

from penstock_local.licences import LAYERS
from penstock_local.release import bundle, shipped_pins, write_zip
from penstock_local.sources import checkout

BUILT = """\
Parameters:
  Runtime:
    Type: String
    Default: python3.14
    AllowedValues:
    - python3.13
    - python3.14
  Architecture:
    Description: one
      two
    Default: x86_64
Resources:
  PenstockLayer:
    Properties:
      ContentUri: PenstockLayer
  IngestFunction:
    Properties:
      CodeUri: IngestFunction
      Layers: []
  Machine:
    Properties:
      DefinitionUri: ../../../../statemachine/job.asl.json
Fn::Transform:
  Name: AWS::Include
  Parameters:
    Location: ../../../../deploy/operations.yaml
"""
TARGET = {"Runtime": "python3.13", "Architecture": "arm64"}


def bundled(folder: Path) -> dict[str, bytes]:
    (folder / "build" / "IngestFunction").mkdir(parents=True)
    (folder / "build" / "IngestFunction" / "app.py").write_text("handler = None\n")
    built = folder / "build" / "template.yaml"
    built.write_text(BUILT)
    layer = folder / "layer.zip"
    write_zip(layer, [("python/a.py", b"A = 1\n", 0o644)])
    return {name: content for name, content, _ in bundle(checkout(), built, {"PenstockLayer": layer}, TARGET)}


def test_every_reference_of_the_template_lies_in_the_bundle(tmp_path: Path) -> None:
    files = bundled(tmp_path)
    template = yaml.safe_load(files["template.yaml"])
    resources = template["Resources"]
    assert resources["PenstockLayer"]["Properties"]["ContentUri"] in files
    assert resources["IngestFunction"]["Properties"]["CodeUri"] in files
    assert resources["Machine"]["Properties"]["DefinitionUri"] in files
    assert template["Fn::Transform"]["Parameters"]["Location"] in files


def test_the_defaults_are_those_that_the_code_was_built_for(tmp_path: Path) -> None:
    parameters = yaml.safe_load(bundled(tmp_path)["template.yaml"])["Parameters"]
    assert parameters["Runtime"]["Default"] == "python3.13"
    assert parameters["Architecture"]["Default"] == "arm64"
    assert parameters["Runtime"]["AllowedValues"] == ["python3.13", "python3.14"]


def test_equal_files_give_equal_zips_and_keep_their_permissions(tmp_path: Path) -> None:
    files = [("bin/a", b"#!", 0o755), ("b", b"", 0o644)]
    first, second = tmp_path / "first.zip", tmp_path / "second.zip"
    write_zip(first, files)
    write_zip(second, files)
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as archive:
        assert [entry.external_attr >> 16 & 0o777 for entry in archive.infolist()] == [0o755, 0o644]


@pytest.mark.parametrize("name", LAYERS)
def test_the_bill_names_every_package_of_a_layer(name: str) -> None:
    pins = {pin.lower().replace("_", "-") for pin in shipped_pins(checkout())}
    lines = (checkout() / "layers" / name / "requirements.txt").read_text().splitlines()
    layer = [line.partition(";")[0].strip().lower().replace("_", "-") for line in lines if not line.startswith("#")]
    assert set(layer) <= pins
    assert len(layer) > 2
