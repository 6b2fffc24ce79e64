"""The commands for jobs in a real terminal: wide and narrow, until the end or Ctrl-C, and `watch` in a pipe."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer

from deployed_jobs import DeployedJobs
from functional.terminal import CTRL_C, terminal
from lengths import long
from penstock.model.job_status import JobState

pytestmark = pytest.mark.xdist_group("deployed-jobs")  # for one process to import moto's CloudFormation, for seconds
COMMAND = shutil.which("penstock", path=str(Path(sys.executable).parent)) or "penstock"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def deployed(endpoint: str) -> DeployedJobs:
    import requests

    requests.post(f"{endpoint}/moto-api/reset", timeout=10).raise_for_status()
    return DeployedJobs(endpoint)


@pytest.fixture
def environment(endpoint: str) -> Mapping[str, str]:
    return {**os.environ, "AWS_ENDPOINT_URL": endpoint}


def command(*arguments: str) -> list[str]:
    return [COMMAND, "watch", "--interval", "0.1", *arguments]


def test_a_wide_terminal_shows_a_bar_and_all_figures_until_the_end(
    deployed: DeployedJobs, environment: Mapping[str, str]
) -> None:
    job = deployed.deliver()
    with terminal(command(job.id), environment, columns=120) as running:
        running.wait_for(
            rf"{job.id[:8]} executing [━█▌▍▎▏▋▊▉ ]+ 50\.0% 40,000 rows +2\.0 MB/s 4\.00 s left 2/3 spans large"
        )
        deployed.finish(job)
        assert running.wait() == 0
    assert "100.0% 60,000 rows" in running.text
    assert "took 6.00 s" in running.lines[-1]
    assert running.raw.count("\x1b[?25h") >= 1  # the cursor is visible again
    assert all(len(line) <= 120 for line in running.lines)


@pytest.mark.parametrize(
    ("columns", "shown"),
    [
        (80, r"[0-9a-f]{8} executing +50\.0% +2\.0 MB/s 4\.00 s left 2/3 spans large"),
        long(50, r"executing +50\.0% +2\.0 MB/s 4\.00 s left large"),
        (32, r"executing +50\.0% 4\.00 s left"),
    ],
)
@pytest.mark.long
def test_a_narrow_terminal_shows_what_fits_on_one_line(
    deployed: DeployedJobs, environment: Mapping[str, str], columns: int, shown: str
) -> None:
    job = deployed.deliver()
    with terminal(command(job.id), environment, columns=columns) as running:
        running.wait_for(shown)
        deployed.finish(job)
        assert running.wait() == 0
    assert all(len(line) <= columns for line in running.lines)


@pytest.mark.long
def test_it_follows_the_width_of_the_terminal(deployed: DeployedJobs, environment: Mapping[str, str]) -> None:
    job = deployed.deliver()
    with terminal(command(job.id), environment, columns=120) as running:
        running.wait_for("2/3 spans")
        running.resize(32)
        running.raw = ""
        running.wait_for(r"executing +50\.0% 4\.00 s left\s")
        running.press(CTRL_C)
        running.wait()


def test_a_failed_job_ends_with_1_and_says_why_below(deployed: DeployedJobs, environment: Mapping[str, str]) -> None:
    job = deployed.fail()
    with terminal(command(job.id), environment, columns=100) as running:
        assert running.wait() == 1
    assert running.lines[-2:] == ["InvalidTableError: table orders does not exist", "Create the table."]


@pytest.mark.long
def test_ctrl_c_exits_with_130_and_restores_the_terminal(
    deployed: DeployedJobs, environment: Mapping[str, str]
) -> None:
    job = deployed.deliver()
    with terminal(command(job.id), environment, columns=60) as running:
        running.wait_for("executing")
        running.press(CTRL_C)
        assert running.wait() == 130
    assert "Traceback" not in running.text
    assert running.raw.rindex("\x1b[?25h") > running.raw.rindex("\x1b[?25l")


@pytest.mark.long
def test_without_a_job_all_are_watched_and_new_ones_come_in(
    deployed: DeployedJobs, environment: Mapping[str, str]
) -> None:
    with terminal(command("--interval", "0.2"), environment, columns=100) as running:
        running.wait_for("No running jobs")
        running.press(CTRL_C)
        assert running.wait() == 130
    (first, claim), (second, _) = deployed.begin("in/first.csv"), deployed.begin("in/second.csv")
    with terminal(command(), environment, columns=100) as running:
        running.wait_for(rf"{first.id[:8]} running.*first\.csv\s+{second.id[:8]} running.*second\.csv")
        deployed.progress(claim, 0.25)
        running.wait_for(r"25\.0%.*first\.csv")
        deployed.jobs.close(claim, JobState.FAILED)
        running.wait_for(rf"{first.id[:8]} failed")
        running.press(CTRL_C)
        assert running.wait() == 130


def test_a_pipe_gets_one_line_per_change_and_no_escape_codes(
    deployed: DeployedJobs, environment: Mapping[str, str]
) -> None:
    job, claim = deployed.begin()
    piped = subprocess.Popen(command(job.id), env=dict(environment), stdout=subprocess.PIPE, text=True)
    assert piped.stdout
    lines = [piped.stdout.readline()]
    deployed.progress(claim, 0.5)
    lines.append(piped.stdout.readline())
    deployed.progress(claim, 0.999999)
    lines.append(piped.stdout.readline())
    deployed.jobs.close(claim, JobState.SUPERSEDED)
    lines += list(piped.stdout)
    piped.stdout.close()
    assert piped.wait(20) == 1
    assert [line.split()[1:3] for line in lines] == [
        ["running", "0.00%"],
        ["running", "50.00%"],
        ["running", "99.90%"],
        ["superseded", "99.90%"],
    ]
    assert "\x1b" not in "".join(lines)


def test_rejects_are_a_table_on_a_terminal_and_json_lines_on_request(
    deployed: DeployedJobs, environment: Mapping[str, str]
) -> None:
    job = deployed.fail()
    deployed.reject(job, 2, raw="1,\x1b[2Jgone\n")
    with terminal([COMMAND, "rejects", job.id], environment, columns=100) as running:
        assert running.wait() == 0
    assert [line.split() for line in running.lines] == [
        ["span", "row", "byte", "column", "reason", "record"],
        ["1", "1", "10", "born", "not", "a", "date", "1,\\x1b[2Jgone\\n"],
        ["1", "2", "20", "born", "not", "a", "date", "1,\\x1b[2Jgone\\n"],
    ]
    assert "\x1b" not in running.raw
    with terminal([COMMAND, "rejects", job.id, "--json"], environment, columns=100) as running:
        assert running.wait() == 0
    assert [json.loads(line)["row"] for line in running.lines] == [1, 2]


def test_a_terminal_without_rejects_says_so(deployed: DeployedJobs, environment: Mapping[str, str]) -> None:
    job = deployed.fail()
    with terminal([COMMAND, "rejects", job.id], environment, columns=400) as running:
        assert running.wait() == 0
    assert running.lines == ["No rejects."]


def test_states_are_coloured_on_a_terminal_and_rows_stay_aligned(
    deployed: DeployedJobs, environment: Mapping[str, str]
) -> None:
    deployed.fail("bad.csv")
    deployed.succeed("good.csv")
    with terminal([COMMAND, "jobs"], environment, columns=200) as running:
        assert running.wait() == 0
    assert "\x1b[31mfailed" in running.raw
    assert len({line.index("s3://drops") for line in running.lines[1:]}) == 1
