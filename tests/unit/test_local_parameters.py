"""Parameters of `penstock local up`."""

from __future__ import annotations

import pytest

from penstock_local.deploy import check_parameters
from penstock_local.errors import LocalStackError


def test_parameters_of_the_template_pass() -> None:
    check_parameters(["MemorySize", "SpanBytes"])


def test_one_that_the_template_has_not_got_is_named_with_what_may_be_meant() -> None:
    with pytest.raises(LocalStackError, match="the template has no parameter MemorySise") as caught:
        check_parameters(["Timeout", "MemorySise"])
    assert "Did you mean MemorySize?" in caught.value.hint
    with pytest.raises(LocalStackError) as caught:
        check_parameters(["Nope"])
    assert "It has " in caught.value.hint
