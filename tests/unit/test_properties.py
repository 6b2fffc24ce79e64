"""What decides whether a run is green is the code: no property test draws its examples, but for `make fuzz`."""

from __future__ import annotations

import pytest
from hypothesis import settings


def test_property_tests_try_the_same_examples_in_every_run(request: pytest.FixtureRequest) -> None:
    drawn = request.config.getoption("--hypothesis-profile") == "drawn"
    assert settings.default is not None
    assert settings.default.derandomize is not drawn


def test_a_test_s_own_settings_do_not_change_that(request: pytest.FixtureRequest) -> None:
    own = settings(max_examples=3, deadline=None)
    assert settings.default is not None
    assert own.derandomize is settings.default.derandomize
