"""JSON as it should not be: refused with the right word before anything sees it."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

import pytest

from tests.web.site import PASSWORD, Site
from webui.kinds import Field, ListOf, Object, OneOf, Real, Rows, Text, Whole, Wrong
from webui.problems import Problem
from webui.requests import parse_json

GOOD = {"email": "a@b.example", "password": PASSWORD, "role": "viewer", "namespaces": ["lab"]}
RAW: dict[str, tuple[bytes, int, str]] = {
    "empty": (b"", 400, "bad_json"),
    "no JSON": (b"email=a", 400, "bad_json"),
    "half": (b'{"email": "a', 400, "bad_json"),
    "two": (b"{} {}", 400, "bad_json"),
    "byte order mark": (b"\xef\xbb\xbf{}", 400, "bad_json"),
    "UTF-16": ("{}".encode("utf-16"), 400, "bad_json"),
    "no UTF-8": (b'{"email": "\xff"}', 400, "bad_json"),
    "deep lists": (b"[" * 30_000, 400, "bad_json"),
    "deep objects": (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, 400, "bad_json"),
    "NaN": (b'{"email": NaN}', 422, "invalid"),
    "Infinity": (b'{"email": -Infinity}', 422, "invalid"),
    "1e999": (b'{"email": 1e999}', 422, "invalid"),
    "many digits": (b'{"email": ' + b"9" * 5000 + b"}", 400, "bad_json"),
    "a key twice": (b'{"email": "a@b.example", "email": "c@d.example"}', 422, "invalid"),
    "a key twice inside": (b'{"namespaces": [{"a": 1, "a": 2}]}', 422, "invalid"),
    "a list": (b"[]", 422, "invalid"),
    "null": (b"null", 422, "invalid"),
    "many keys": (json.dumps({str(n): n for n in range(3000)}).encode(), 422, "invalid"),
    "65 kB": (b'{"email": "' + b"a" * 65_536 + b'"}', 413, "body_too_large"),
    "1 MB": (b" " * 1_000_000, 413, "body_too_large"),
    "yaml": (b"!!python/object/apply:os.system ['id']", 400, "bad_json"),
}
CHANGED: list[tuple[str, Any]] = [
    *(
        ("email", value)
        for value in ("", "a", "a@", "@b", "a b@c.d", "a@b\n", "ä@b.example", "a" * 300 + "@b", None, 1, [])
    ),
    *(("email", value) for value in ("a@b.example\0", "\ud800@b.example", "a@-b", "a@b.", "<a>@b.example")),
    *(("password", value) for value in ("", "short", "x" * 257, None, 12345678901, "0123456789\0", "0123456789\ud800")),
    *(("role", value) for value in ("", "root", "ADMIN", None, ["admin"])),
    *(("namespaces", value) for value in ("lab", None, [1], ["Lab"], ["a/b"], ["../x"], ["x" * 64], ["lab"] * 201, {})),
    ("surprise", 1),
]


async def test_broken_json(site: Site) -> None:
    admin = await site.logged_in("root@example.org", "admin")
    for what, (raw, status, code) in RAW.items():
        reply = await admin.ask("POST", "/api/v1/users", data=raw, headers={"Content-Type": "application/json"})
        assert (reply.status, reply.code) == (status, code), (what, reply)
    assert len((await admin.get("/api/v1/users")).json["items"]) == 1


async def test_bad_fields_are_named(site: Site) -> None:
    admin = await site.logged_in("root@example.org", "admin")
    for field, value in CHANGED:
        raw = json.dumps(GOOD | {field: value}).encode()
        reply = await admin.ask("POST", "/api/v1/users", data=raw, headers={"Content-Type": "application/json"})
        assert (reply.status, reply.code) == (422, "invalid"), (field, value, reply)
        assert {error["field"].split("[")[0] for error in reply.json["errors"]} == {f"body.{field}"}
    for field in ("email", "password", "role"):
        body = {key: item for key, item in GOOD.items() if key != field}
        reply = await admin.post("/api/v1/users", body)
        assert [error["field"] for error in reply.json["errors"]] == [f"body.{field}"]
    assert (await admin.post("/api/v1/users", GOOD)).status == 201


async def test_any_text_may_be_a_password(site: Site) -> None:
    """Also one in two forms of the same letters."""
    admin = await site.logged_in("root@example.org", "admin")
    for number, password in enumerate(
        ("  spaces count  ", "pässwört-ÄÖÜ", "\U0001f600" * 12, "' OR '1'='1' --", "a\tb\nc" * 4)
    ):
        email = f"p{number}@example.org"
        assert (await admin.post("/api/v1/users", GOOD | {"email": email, "password": password})).status == 201
        assert (await site.browser().log_in(email, password)).status == 200, password
        assert (await site.browser().log_in(email, password + " ")).status == 401, password
    decomposed = unicodedata.normalize("NFD", "pässwört-ÄÖÜ")
    assert (await site.browser().log_in("p1@example.org", decomposed)).status == 200


@pytest.mark.parametrize("text", ["{}", "[1, 2.5, true, null]", '{"a": {"b": ["\\u00e4"]}}'])
def test_good_json(text: str) -> None:
    assert parse_json(text.encode()) == json.loads(text)


def test_brackets_in_texts_only_refuse_more() -> None:
    assert parse_json(b'{"a": "[[[]]]"}') == {"a": "[[[]]]"}
    with pytest.raises(Problem):
        parse_json(b'"' + b"[" * 40 + b'"')


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (Whole(0, 10), ["0", "10", "007"], ["-1", "11", "", "1.0", " 1", "1_0", "٣", "0x1", "1" * 50]),
        (Real(), ["0", "-1.5", "1e3", "2E-5"], ["nan", "inf", "1e999", "", ".5", "1,5", "--1", "1_0"]),
        (OneOf(("a", "b")), ["a"], ["c", "", "A"]),
        (Text(max=3, min=1), ["abc", "ä"], ["", "abcd", "a\0", "\ud800"]),
        (Rows(5), ["0", "0-4", "4,3,2", "1-2,7"], ["", "-1", "0-5", "2-1", "a", "1,", ",1", "1--2", "1-2-3", "1" * 12]),
    ],
)
def test_parameters(kind: Any, good: list[str], bad: list[str]) -> None:
    for text in good:
        kind.parse(text)
    for text in bad:
        with pytest.raises(Wrong):
            kind.parse(text)
    assert kind.schema()["type"] in ("integer", "number", "string")


def test_errors_say_where() -> None:
    kind = Object({"a": Field(ListOf(Object({"b": Field(Whole(0, 1))}), 3)), "c": Field(Text(), "")})
    assert kind.check({"a": [{"b": 1}]}) == {"a": [{"b": 1}], "c": ""}
    with pytest.raises(Wrong) as caught:
        kind.check({"a": [{"b": 1}, {"b": 2, "d": 0}], "e": 1})
    assert {error.field for error in caught.value.errors} == {".a[1].b", ".a[1].d", ".e"}
    with pytest.raises(Wrong):
        kind.check({"a": [{"b": 1}] * 4})
    with pytest.raises(Wrong):
        kind.check({"a": [{"b": True}]})
