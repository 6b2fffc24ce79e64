"""The report in a real browser, if one is installed: its content, its width on a phone, its print, and no scripts."""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from job_reports import BEGAN, HOSTILE, failed, hostile, succeeded
from penstock.model.job_status import JobStatus
from penstock.operations.history import Period
from penstock.operations.job_report import JobReport, timeline
from penstock.operations.summary import DAY, summarise
from penstock_cli.period_page import period_page
from penstock_cli.report_page import page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here"),
    pytest.mark.xdist_group("browser"),
]

# Added to the page, in a frame of the given width: reports the state of the page.
PROBE = """<!doctype html><iframe id="f" src="page.html" width="WIDTH" height="3000"></iframe><script>
addEventListener("load", () => {
  const page = document.getElementById("f").contentDocument, root = page.documentElement;
  document.title = JSON.stringify({
    title: page.title, ground: getComputedStyle(page.body).backgroundColor, wide: root.scrollWidth,
    scripts: page.scripts.length, bars: page.querySelectorAll("rect.span, rect.rejecting").length,
    text: page.body.innerText.length,
  });
});
</script>"""


class Browser:
    """Chromium without a window and without a network."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, *options: str, url: str) -> str:
        command = [
            str(CHROMIUM),
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--allow-file-access-from-files",
            "--proxy-server=127.0.0.1:9",
            f"--user-data-dir={self.folder / 'profile'}",
            *options,
            url,
        ]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout

    def show(self, shown: JobReport | list[JobStatus]) -> str:
        """Write the page of a job, or of jobs of a week."""
        file = self.folder / "page.html"
        if isinstance(shown, list):
            week = summarise(shown, Period(BEGAN - 6 * DAY, BEGAN + DAY), lambda _: 0.01)
            file.write_text(period_page(week, stack="penstock", now=BEGAN, prices="prices of us-east-1, 2026-11-30"))
        else:
            file.write_text(page(shown, timeline(shown.spans), rejects_at="s3://work/jobs/3f9a/rejects/", now=BEGAN))
        return file.as_uri()

    def probe(self, shown: JobReport | list[JobStatus], *options: str, width: int) -> dict[str, str]:
        self.show(shown)
        probe = self.folder / "probe.html"
        probe.write_text(PROBE.replace("WIDTH", str(width)))
        dom = self.run("--virtual-time-budget=2000", *options, "--dump-dom", url=probe.as_uri())
        title = re.search("<title>(.*?)</title>", dom)
        assert title, dom
        return dict(re.findall(r'"(\w+)":"?((?:[^",}]|,(?= ))*)', title[1].replace("&quot;", '"')))


@pytest.fixture
def browser(tmp_path: Path) -> Browser:
    return Browser(tmp_path)


def test_it_is_shown_with_all_its_bars(browser: Browser) -> None:
    found = browser.probe(succeeded(), width=1100)
    assert found["title"] == "2026-11-22.csv.gz succeeded"
    assert (found["bars"], found["scripts"]) == ("24", "0")


@pytest.mark.parametrize("job_report", [succeeded, failed, hostile], ids=lambda make: str(make.__name__))
@pytest.mark.parametrize("width", [320, 390])
def test_it_fits_a_phone(browser: Browser, job_report: Callable[[], JobReport], width: int) -> None:
    assert int(browser.probe(job_report(), width=width)["wide"]) <= width


def test_texts_of_an_attacker_run_nothing(browser: Browser) -> None:
    found = browser.probe(hostile(), width=1100)
    assert found["scripts"] == "0"
    assert found["title"] != "owned"


def test_it_is_dark_for_who_likes_it_dark(browser: Browser) -> None:
    light = browser.probe(succeeded(), width=800)["ground"]
    dark = browser.probe(succeeded(), "--blink-settings=preferredColorScheme=0", width=800)["ground"]
    assert light == "rgb(244, 246, 248)"
    assert dark == "rgb(16, 22, 28)"


def test_it_prints(browser: Browser) -> None:
    file = browser.folder / "page.pdf"
    browser.run(f"--print-to-pdf={file}", url=browser.show(succeeded()))
    printed = file.read_bytes()
    assert printed.startswith(b"%PDF")
    assert 1 <= len(re.findall(rb"/Type\s*/Page\b(?!s)", printed)) <= 3


def test_a_picture_of_it_is_not_blank(browser: Browser) -> None:
    file = browser.folder / "page.png"
    browser.run("--window-size=1000,900", f"--screenshot={file}", url=browser.show(succeeded()))
    picture = file.read_bytes()
    assert struct.unpack(">II", picture[16:24]) == (1000, 900)
    assert len(picture) > 30_000


def jobs_of_a_week(count: int) -> list[JobStatus]:
    """Jobs that succeeded and failed, with keys of 1,024 characters, of an attacker, and from right to left."""
    keys = ["in/orders.csv.gz", "a" * 1024, HOSTILE, "\u202egnp.exe\u202c \u0623\u0647\u0644\u0627", "x y " * 250]
    found = []
    for number in range(count):
        status = (failed if number % 3 else succeeded)().status
        at, key = BEGAN - number % 7 * DAY, keys[number % len(keys)]
        found.append(
            replace(status, job_id=f"{number:032x}", source=f"s3://drops/{key}", route=key[:300], finished_at=at)
        )
    return found


@pytest.mark.parametrize(("count", "width"), [(0, 320), (10_000, 320), (10_000, 1100)])
def test_a_week_fits_the_screen(browser: Browser, count: int, width: int) -> None:
    found = browser.probe(jobs_of_a_week(count), width=width)
    assert int(found["wide"]) <= width
    assert found["scripts"] == "0"
    assert found["title"].startswith("penstock: ")


def test_a_week_is_dark_for_who_likes_it_dark(browser: Browser) -> None:
    dark = browser.probe(jobs_of_a_week(30), "--blink-settings=preferredColorScheme=0", width=800)["ground"]
    assert dark == "rgb(16, 22, 28)"


def test_a_week_prints_on_a_few_pages(browser: Browser) -> None:
    file = browser.folder / "week.pdf"
    browser.run(f"--print-to-pdf={file}", url=browser.show(jobs_of_a_week(10_000)))
    assert 1 <= len(re.findall(rb"/Type\s*/Page\b(?!s)", file.read_bytes())) <= 5
