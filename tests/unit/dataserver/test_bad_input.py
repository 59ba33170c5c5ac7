"""Whatever is asked: 4xx problem+json that names what is wrong, never 5xx, never a hang."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blueno.dataserver import params
from blueno.dataserver.problems import Problem
from tests.fakes.data_server import Served

NUMBERS = [
    "",
    " ",
    "x",
    "-1",
    "+1",
    "1.0",
    "1e3",
    "0x10",
    "٣",
    "１",
    "1_0",
    " 1",
    "99999999999999999999",
    "NaN",
    "\x00",
]
WRONG = {
    ("sheet", "rows"): [
        "",
        ",",
        "1,",
        "5-3",
        "1-2-3",
        "0-200",
        "0-99,0-99,5",
        "a",
        "-1",
        "1 2",
        "120",
        "0-9999999999",
        "٣",
    ],
    ("sheet", "cell"): [*NUMBERS, "7", "257"],
    ("sheet", "columns"): [*NUMBERS, "0", "201"],
    ("samples/0/image", "size"): [*NUMBERS, "0", "7", "4097"],
    ("samples/0/image", "slice"): [*NUMBERS, "1", "2147483647"],
    ("samples/0/image", "axis"): ["", "x", "Axial", "axial ", "0", "coronal"],
    ("samples/0/montage", "count"): [*NUMBERS, "0", "65"],
    ("samples/0/montage", "size"): [*NUMBERS, "7", "513"],
    ("samples/0/montage", "axis"): ["oblique", "axial,coronal"],
}
WINDOWS = ["", "x", "nan", "inf", "-inf", "1e999", "0x1", "1,5", "1_000", "٣", " 1", "1" * 50, "--1", "."]


@pytest.mark.parametrize(("route", "name"), WRONG, ids=lambda part: part.replace("/", "-"))
async def test_wrong_parameters(digit_server: Served, route: str, name: str) -> None:
    version = await digit_server.version()
    for value in WRONG[route, name]:
        more = "&rows=0" if route == "sheet" and name != "rows" else ""
        answer = await digit_server.get(f"{version}/{route}?{name}={quote(value)}{more}")
        sentence = answer.problem(422, "bad_parameter", name)
        assert len(sentence) < 300


@pytest.mark.parametrize("route", ["sheet?rows=0&", "samples/0/image?", "samples/0/montage?"])
async def test_wrong_windows(digit_server: Served, route: str) -> None:
    path = f"{await digit_server.version()}/{route}"
    for value in WINDOWS:
        (await digit_server.get(f"{path}low={quote(value)}&high=1")).problem(422, "bad_parameter", "low")
        (await digit_server.get(f"{path}low=1&high={quote(value)}")).problem(422, "bad_parameter", "high")
    (await digit_server.get(f"{path}low=1")).problem(422, "bad_parameter", "high")
    (await digit_server.get(f"{path}high=1")).problem(422, "bad_parameter", "low")
    for low, high in (("5", "5"), ("6", "5"), ("-0", "0"), ("1e5", "-1e5")):
        (await digit_server.get(f"{path}low={low}&high={high}")).problem(422, "bad_parameter", "high")
    for low, high in (("-1.5", "2"), ("-1e300", "1e300"), ("0", "1e-300")):
        assert (await digit_server.get(f"{path}low={low}&high={high}")).status == 200


async def test_parameters_that_are_missing_unknown_or_twice(digit_server: Served) -> None:
    version = await digit_server.version()
    assert "rows=0-99,120" in (await digit_server.get(f"{version}/sheet")).problem(422, "bad_parameter", "rows")
    (await digit_server.get(f"{version}/sheet?rows=0&rows=1")).problem(422, "bad_parameter", "rows")
    sentence = (await digit_server.get(f"{version}/sheet?rows=0&Cell=9")).problem(422, "bad_parameter", "Cell")
    assert "accepted: cell, columns" in sentence
    for route in ("manifest", "index", "samples/0/about", "samples/0/raw"):
        (await digit_server.get(f"{version}/{route}?x=1")).problem(422, "bad_parameter", "x")
    (await digit_server.get("/v1/versions?page=2")).problem(422, "bad_parameter", "page")
    long = await digit_server.get(f"{version}/sheet?{'y' * 3000}=1")
    long.problem(422, "bad_parameter", "y" * 64)


async def test_versions_and_rows_that_are_not_there(digit_server: Served) -> None:
    version = await digit_server.version()
    digest = version.rpartition("/")[2]
    names = [
        "0" * 16,
        digest[:15],
        digest + "0",
        digest.upper(),
        "..",
        "%2e%2e",
        "..%2f..%2fworks",
        "%00",
        "%C3%A9",
        "%ff",
    ]
    for name in names:
        for route in ("manifest", "index", "sheet?rows=0", "samples/0/image", "samples/0/raw"):
            answer = await digit_server.get(f"/v1/versions/{name}/{route}")
            assert answer.status == 404, (name, answer)
            assert answer.json()["code"] in ("version_not_found", "not_found")
    for row in ("120", "-1", "x", "1.0", "0x1", "99999999999", "%D9%A3", "0%2f..%2f1", "%00", "1" * 4000):
        for route in ("image", "montage", "about", "raw"):
            answer = await digit_server.get(f"{version}/samples/{row}/{route}")
            assert answer.status == 404, (row, answer)
            assert answer.json()["code"] in ("sample_not_found", "not_found")
    (await digit_server.get(f"{version}/samples/119/image?size=8")).image()


@given(items=st.lists(st.tuples(st.sampled_from(["rows", "cell", "columns", "low", "high"]) | st.text(), st.text())))
def test_no_parameters_upset_the_reader(items: list[tuple[str, str]]) -> None:
    for read in (params.sheet_query, params.view, params.montage):
        try:
            read(items)
        except Problem as problem:
            assert problem.status == 422
            assert problem.field is not None


@given(
    rows=st.lists(st.integers(0, 2**32) | st.tuples(st.integers(0, 10**6), st.integers(0, 60)), min_size=1, max_size=6)
)
def test_rows_are_what_was_written(rows: list[int | tuple[int, int]]) -> None:
    text = ",".join(str(r) if isinstance(r, int) else f"{r[0]}-{r[0] + r[1]}" for r in rows)
    meant = [n for r in rows for n in ([r] if isinstance(r, int) else range(r[0], r[0] + r[1] + 1))]
    if len(meant) <= 200:
        assert params.sheet_query([("rows", text)]).rows == tuple(meant)
    else:
        with pytest.raises(Problem, match="200"):
            params.sheet_query([("rows", text)])
