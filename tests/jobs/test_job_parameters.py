"""What a job gets of its parameters."""

from __future__ import annotations

import pytest

from systemprompt.errors import ParameterError
from systemprompt.jobs.context import JobContext


def test_a_parameter_that_is_none_is_absent() -> None:
    """So a job can declare one whose default comes from elsewhere."""
    ctx = JobContext(job_name="job", parameters={"hours": None})

    assert ctx.get_parameter("hours", int, 3) == 3
    assert ctx.get_parameter("hours", list, []) == []
    with pytest.raises(ParameterError, match="needs the parameter 'hours'") as error:
        ctx.get_parameter("hours", int)
    assert error.value.hint == "pass it: -p hours=VALUE"
