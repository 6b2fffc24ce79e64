"""Broken connections are tried again after a random wait that doubles, up to a ceiling."""

from __future__ import annotations

import pytest

from penstock.aws.backoff import Backoff


@pytest.mark.parametrize(("failures", "longest"), [(1, 0.1), (2, 0.2), (3, 0.4), (6, 3.2), (7, 5.0), (60, 5.0)])
def test_the_wait_is_anything_up_to_a_bound_that_doubles(failures: int, longest: float) -> None:
    assert Backoff(draw=lambda: 1.0).delay(failures) == pytest.approx(longest)
    assert Backoff(draw=lambda: 0.5).delay(failures) == pytest.approx(longest / 2)
    assert Backoff(draw=lambda: 0.0).delay(failures) == 0


def test_without_a_say_in_it_the_wait_is_random() -> None:
    assert len({Backoff().delay(7) for _ in range(20)}) > 1
