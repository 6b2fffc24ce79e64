"""Others' text cannot command a terminal: one module prints, and escapes."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import example, given
from hypothesis import strategies as st

from penstock_cli.main import main
from penstock_cli.output import Safe, echo_json, safe, safe_document, styled

CLI = Path(__file__).parents[2] / "cli/penstock_cli"
PRINTS = {"echo", "secho", "confirm", "prompt", "echo_via_pager"}


@given(st.text())
@example("\x1b]0;owned\x07\x1b[2J\r\n\x9b31m\u202e\ud800\x7f")
def test_a_line_is_printable_and_stays_one(text: str) -> None:
    assert safe(text).isprintable()
    assert safe(safe(text)) == safe(text)


def test_what_is_harmless_is_left_as_it_is() -> None:
    assert safe("s3://lake/Zürich/50% of a+b\\x.csv 日本 😀") == "s3://lake/Zürich/50% of a+b\\x.csv 日本 😀"


def test_what_is_not_is_shown_as_python_writes_it() -> None:
    assert safe("a\x1b[2J\nb\u202e") == "a\\x1b[2J\\nb\\u202e"


def test_styles_are_ours_and_what_they_dress_is_not() -> None:
    assert styled("\x1b[2J", fg="red") == Safe("\x1b[31m\\x1b[2J\x1b[0m")


def test_a_document_keeps_its_lines() -> None:
    assert safe_document("<p>\n\ta\x1b[2J\xa0\x9b</p>\n") == "<p>\n\ta\\x1b[2J\xa0\\x9b</p>\n"


@pytest.mark.parametrize("ascii_only", [True, False])
@given(text=st.text())
@example(text="\x7f\x9b\u202e\U000e0001\ud800\x1b")
def test_json_is_printable_and_says_what_was_meant(ascii_only: bool, text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        printed: list[str] = []
        patch.setattr("click.echo", printed.append)
        echo_json({"key": text}, ascii_only=ascii_only)
    assert printed[0].isprintable()
    assert json.loads(printed[0]) == {"key": text}


def test_nothing_else_prints() -> None:
    for path in CLI.rglob("*.py"):
        if path.name in {"output.py", "reference.py"}:
            continue
        calls = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        names = {call.id for call in calls if isinstance(call, ast.Name)}
        attributes = {ast.unparse(call) for call in calls if isinstance(call, ast.Attribute)}
        assert "print" not in names, path
        assert not attributes & {f"click.{name}" for name in PRINTS}, path
        assert not attributes & {"sys.stdout.write", "sys.stderr.write", "sys.stdout.buffer.write"}, path


HOSTILE = "a\x1b]0;owned\x07\x1b[2J\r\nforged\x9b\u202e"


@pytest.mark.parametrize(
    "arguments",
    [
        (HOSTILE,),
        (f"--{HOSTILE}",),
        ("abort", HOSTILE),
        ("abort", "s3://lake/a", "--older-than", HOSTILE),
        ("explain", HOSTILE),
        ("jobs", "--state", HOSTILE),
        ("local", HOSTILE),
        ("local", "logs", "--function", HOSTILE),
        ("redrive", HOSTILE, HOSTILE),
        ("rejects", "a", "--limit", HOSTILE),
        ("report", "a", f"--{HOSTILE}"),
        ("routes", "check", HOSTILE),
        ("routes", HOSTILE),
        ("run", HOSTILE, "--to", f"{HOSTILE}.out"),
        ("status", "a", HOSTILE),
        ("sync", HOSTILE, "s3://lake"),
        ("sync", "a", "s3://lake", "--threads", HOSTILE),
        ("upload", HOSTILE, "s3://lake/"),
        ("upload", HOSTILE, HOSTILE),
        ("uploads", HOSTILE),
        ("watch", "a", "--interval", HOSTILE),
    ],
    ids=lambda arguments: " ".join(arguments)[:30].encode("unicode_escape").decode(),
)
def test_errors_repeat_what_was_typed_without_harm(arguments: tuple[str, ...]) -> None:
    result = CliRunner(mix_stderr=False).invoke(main, arguments)
    assert result.exit_code in {1, 2}
    assert all(line.isprintable() for line in (result.stdout + result.stderr).split("\n")), result.stderr
    assert not any(line.startswith("forged") for line in result.stderr.split("\n"))
