"""``import penstock``: what is public, how fast it comes, and that the examples of its docstrings are true."""

from __future__ import annotations

import doctest
import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import penstock
from penstock import errors
from penstock.model.job import Progress
from penstock.wiring import api

CSV = "id,city\n1,Ulm\n2,Bonn\n"


def test_the_public_names_are_five_and_the_errors() -> None:
    assert set(penstock.__all__) == {"ObjectCache", "Receipt", "explain", "run", "upload", *errors.__all__}
    assert all(getattr(penstock, name) for name in penstock.__all__)
    with pytest.raises(AttributeError):
        penstock.nothing  # noqa: B018


def test_every_error_of_the_tree_is_public() -> None:
    tree = {name for name, one in vars(errors).items() if isinstance(one, type) and issubclass(one, Exception)}
    assert set(errors.__all__) == tree


def test_a_function_keeps_its_name_when_modules_of_the_folder_are_imported() -> None:
    for name in ("run.loads", "explain.explanation", "upload.uploader"):
        importlib.import_module(f"penstock.{name}")
    assert (penstock.run, penstock.explain, penstock.upload) == (api.run, api.explain, api.upload)
    from penstock.run.loads import UNKNOWN

    assert UNKNOWN


def test_importing_it_imports_no_service_and_no_database() -> None:
    heavy = "{'boto3', 'botocore', 'psycopg', 'smart_open', 'rich', 'click', 'isal'}"
    program = f"import sys, penstock; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_examples_of_the_docstrings_are_true() -> None:
    result = doctest.testmod(api)
    assert (result.failed, result.attempted > 10) == (0, True)


def test_the_examples_of_the_page_are_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = Path(__file__).parents[2] / "docs/python.md"
    result = doctest.testfile(str(page), module_relative=False)
    assert (result.failed, result.attempted > 5) == (0, True)


def test_progress_is_told_and_ends_with_the_whole(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(CSV * 1000)
    seen: list[Progress] = []
    receipt = penstock.run(tmp_path / "a.csv", to=tmp_path / "b.csv", on_progress=seen.append)
    assert seen[-1].bytes_in == receipt.bytes_in == len(CSV) * 1000
    assert (tmp_path / "b.csv").read_text() == CSV * 1000


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "needs exactly one destination"),
        ({"to": "b.csv", "routes": "routes.toml"}, "needs exactly one destination"),
        ({"to": "mysql:t"}, "is not a known destination"),
        ({"to": "b.csv", "format": "csv"}, "is for tables"),
    ],
)
def test_options_that_contradict_each_other_are_refused(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    (tmp_path / "a.csv").write_text(CSV)
    with pytest.raises(penstock.InvalidRouteError, match=message):
        penstock.run(tmp_path / "a.csv", **options)


def test_a_file_that_is_not_there_is_an_error_of_the_tree(tmp_path: Path) -> None:
    with pytest.raises(penstock.FileError):
        penstock.run(tmp_path / "none.csv", to=tmp_path / "b.csv")


def test_an_upload_needs_an_object() -> None:
    with pytest.raises(penstock.ConfigurationError, match="is not the URI of an object"):
        penstock.upload("a.csv", "bucket/key")
