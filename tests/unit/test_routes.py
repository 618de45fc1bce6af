"""Rules of what answers on which path."""

from __future__ import annotations

import pytest

from taskd.answers import Refused
from taskd.routes import ROUTES, Table


@pytest.fixture
def table() -> Table[str]:
    table = Table[str]()
    for route in ROUTES:
        table.add(route.method, route.path, route.function.__name__)
    return table


@pytest.mark.parametrize(
    ("method", "path", "found"),
    [
        ("GET", "/v1/ping", ("ping", "")),
        ("POST", "/v1/jobs", ("add", "")),
        ("GET", "/v1/jobs/a", ("job", "a")),
        ("GET", "/v1/jobs/..%2Fstatus%3Fa", ("job", "../status?a")),
        ("GET", "/v1/jobs/{name}", ("job", "{name}")),
        ("POST", "/v1/jobs/a%20b/trigger", ("trigger", "a b")),
        ("GET", "/v1/jobs/%FF", ("job", "\N{REPLACEMENT CHARACTER}")),
    ],
)
def test_a_path_leads_to_its_function_with_the_name_in_it(
    table: Table[str], method: str, path: str, found: tuple[str, str]
) -> None:
    assert table.find(method, path) == found


@pytest.mark.parametrize(
    "path",
    ["", "/", "*", "v1/ping", "/v1", "/v1/ping/", "/v1/jobs/", "/v1/jobs//why", "/v1/jobs/a/b"],
)
def test_no_other_path_leads_anywhere(table: Table[str], path: str) -> None:
    with pytest.raises(Refused) as caught:
        table.find("GET", path)
    assert (caught.value.status, caught.value.code) == (404, "not_found")


def test_a_method_that_a_path_does_not_take_is_told_the_others(table: Table[str]) -> None:
    with pytest.raises(Refused) as caught:
        table.find("PUT", "/v1/jobs")
    assert (caught.value.status, caught.value.fields) == (405, {"Allow": "GET, POST"})
