"""What the commands share: kinds of argument, and how a transfer is shown."""

from __future__ import annotations

import signal
import sys

import click
import pytest
from click.testing import CliRunner

from penstock.model.object import Target
from penstock_cli.bar import time_left
from penstock_cli.interrupt import interrupted_once
from penstock_cli.options import AwsOptions, OutputOptions, aws_options, output_options
from penstock_cli.params import AGE, S3_URI, SIZE, human_age, human_size
from penstock_cli.progress import WINDOW, Pace, Progress


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1", 1),
        ("5MiB", 5 << 20),
        ("5MB", 5 << 20),
        ("5m", 5 << 20),
        ("1.5 GiB", 3 << 29),
        ("8k", 8192),
        ("1TB", 1 << 40),
    ],
)
def test_sizes_are_read_as_the_aws_command_reads_them(text: str, size: int) -> None:
    assert SIZE.convert(text, None, None) == size


@pytest.mark.parametrize(("text", "age"), [("90s", 90), ("30m", 1800), ("12h", 43200), ("7d", 604800), ("2w", 1209600)])
def test_ages_have_a_unit(text: str, age: float) -> None:
    assert AGE.convert(text, None, None) == age


@pytest.mark.parametrize(
    ("kind", "text"),
    [(SIZE, "-1"), (SIZE, "MB"), (SIZE, "1XB"), (AGE, "7"), (AGE, "d"), (S3_URI, "lake/key"), (S3_URI, "s3:///key")],
)
def test_what_is_none_is_refused(kind: click.ParamType, text: str) -> None:
    with pytest.raises(click.BadParameter, match="not"):
        kind.convert(text, None, None)


@pytest.mark.parametrize(
    ("uri", "key"), [("s3://lake", ""), ("s3://lake/", ""), ("s3://lake/a/b", "a/b"), ("s3://lake//a", "/a")]
)
def test_an_s3_uri_is_a_bucket_and_a_key(uri: str, key: str) -> None:
    assert S3_URI.convert(uri, None, None) == Target("lake", key)


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (5 << 20, "5.2 MB"), (3 * 10**15, "3000.0 TB")]
)
def test_sizes_are_shown_in_decimal_units(size: int, text: str) -> None:
    assert human_size(size) == text


@pytest.mark.parametrize(("seconds", "text"), [(0, "0s"), (59, "59s"), (61, "1m"), (86_400, "1d"), (10**6, "1w")])
def test_ages_are_shown_in_their_largest_unit(seconds: float, text: str) -> None:
    assert human_age(seconds) == text


def test_commands_get_shared_options_as_values() -> None:
    got: list[object] = []

    @click.command()
    @aws_options
    @output_options
    def command(aws: AwsOptions, output: OutputOptions) -> None:
        got.extend((aws, output))

    CliRunner().invoke(command, ["--profile", "p", "--region", "r", "--endpoint-url", "u", "--quiet", "--json"])
    assert got == [AwsOptions("p", "r", "u"), OutputOptions(quiet=True, as_json=True)]
    CliRunner().invoke(command, [])
    assert got[2:] == [AwsOptions(), OutputOptions()]


def test_speed_is_that_of_the_last_seconds() -> None:
    now = 0.0
    pace = Pace(clock=lambda: now)
    assert pace.speed() == 0
    now = 2.0
    pace.add(100)
    assert pace.speed() == 50
    now = 2.0 + WINDOW
    pace.add(300)
    assert pace.speed() == 400 / WINDOW
    now = 3.0 + WINDOW
    assert pace.speed() == 300 / WINDOW


@pytest.mark.parametrize(
    ("size", "speed", "shown"),
    [(None, 1.0, "-:--"), (10, 0.0, "-:--"), (70, 10.0, "0:07"), (3600, 1.0, "1:00:00"), (0, 5.0, "0:00")],
)
def test_time_left_follows_from_speed(size: float | None, speed: float, shown: str) -> None:
    assert time_left(size, speed) == shown


def test_without_a_terminal_there_is_no_bar_but_what_must_be_told_is(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("file", 100) as progress:
        progress.add(60)
        progress.skip(40)
        progress.tell("told [b]as it is[/b]")
        progress.say("answer")
    assert (progress.done, progress.total, progress.description) == (100, 100, "file")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("answer\n", "told [b]as it is[/b]\n")


def test_quiet_tells_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("file", 100, quiet=True) as progress:
        progress.tell("told")
        progress.say("answer")
    assert capsys.readouterr() == ("", "")


def test_only_the_first_ctrl_c_interrupts() -> None:
    before = signal.getsignal(signal.SIGINT)

    def interrupt_twice() -> None:
        with interrupted_once():
            try:
                signal.raise_signal(signal.SIGINT)
            finally:
                signal.raise_signal(signal.SIGINT)

    try:
        with pytest.raises(KeyboardInterrupt):
            interrupt_twice()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
    with interrupted_once():
        pass
    assert signal.getsignal(signal.SIGINT) is before


def test_help_is_quick_because_it_imports_no_rich_and_no_wiring() -> None:
    code = (
        "import sys; import penstock_cli.upload, penstock_cli.uploads, penstock_cli.abort;"
        "print(sorted({'boto3', 'botocore', 'rich', 'platformdirs', 'penstock.wiring.upload'} & set(sys.modules)))"
    )
    import subprocess

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
