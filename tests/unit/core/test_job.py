"""Jobs: each refuses what it cannot be, and names the key at fault."""

from dataclasses import replace

import pytest

from taskd.core.job import PRIORITIES, Call, JobName
from taskd.errors import InvalidJob
from tests.unit.core.driver import a_job


@pytest.mark.parametrize("name", ["a", "nightly-report", "a.b_c-1", "x" * 128])
def test_a_name_is_letters_digits_dashes_underscores_and_dots(name: str) -> None:
    assert a_job(name).name == name


@pytest.mark.parametrize("name", ["", ".", "..", "a b", "a/b", "a\n", "ä", "x" * 129, "a\0"])
def test_any_other_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidJob) as refused:
        a_job(JobName(name))
    assert refused.value.key == "name"


@pytest.mark.parametrize("target", ["a:b", "package.module:attr.path", "local:any text"])
def test_a_target_is_a_module_and_a_path_or_local(target: str) -> None:
    assert Call(target).target == target


@pytest.mark.parametrize("target", ["", "a", "a:", ":b", "a:b:c", "a b:c", "1a:b", "os.system('')"])
def test_any_other_target_is_refused(target: str) -> None:
    with pytest.raises(InvalidJob) as refused:
        Call(target)
    assert refused.value.key == "call"


@pytest.mark.parametrize("priority", [-101, 101])
def test_a_priority_lies_between_minus_100_and_100(priority: int) -> None:
    assert all(-100 <= named <= 100 for named in PRIORITIES.values())
    with pytest.raises(InvalidJob) as refused:
        replace(a_job(), priority=priority)
    assert refused.value.key == "priority"


def test_carry_needs_a_first_argument_to_replace() -> None:
    with pytest.raises(InvalidJob) as refused:
        replace(a_job(), carry=True, call=Call("any:thing"))
    assert refused.value.key == "carry"
