"""Polling ends with the first true answer, or with the time, and never sleeps through either."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from penstock_local.polling import poll


@dataclass
class SlowTask:
    """Is done at ``ready``. Every question takes ``slow`` seconds."""

    ready: float
    slow: float = 0.0
    now: float = 0.0
    asked: list[float] = field(default_factory=list)

    def is_done(self) -> bool:
        self.asked.append(self.now)
        answer = self.now >= self.ready
        self.now += self.slow
        return answer

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def poll(self, seconds: float, every: float) -> bool:
        return poll(self.is_done, seconds=seconds, every=every, clock=lambda: self.now, sleep=self.sleep)


def test_what_is_done_already_is_not_waited_for() -> None:
    task = SlowTask(ready=0)
    assert task.poll(10, 1)
    assert (task.asked, task.now) == ([0], 0)


def test_the_question_is_repeated_until_the_answer_is_yes() -> None:
    task = SlowTask(ready=2.5)
    assert task.poll(10, 1)
    assert task.asked == [0, 1, 2, 3]


def test_what_is_not_done_in_time_is_given_up() -> None:
    task = SlowTask(ready=100)
    assert not task.poll(3, 1)
    assert task.asked == [0, 1, 2, 3, 4]


def test_it_is_asked_once_where_there_is_no_time() -> None:
    task = SlowTask(ready=100, slow=1)
    assert not task.poll(0, 1)
    assert task.asked == [0]


@given(ready=st.integers(0, 50), slow=st.integers(0, 5), seconds=st.integers(0, 30), every=st.integers(1, 5))
def test_it_neither_gives_up_early_nor_late(ready: int, slow: int, seconds: int, every: int) -> None:
    task = SlowTask(ready, slow)
    done = task.poll(seconds, every)
    last = task.asked[-1]
    assert done == (last >= ready)
    assert not any(at >= ready for at in task.asked[:-1])
    assert last <= seconds + every
    assert done or task.now > seconds
