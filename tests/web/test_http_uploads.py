"""Uploads as attackers and broken clients send them, byte by byte: a proper status or a close, soon; nothing of it
reaches the working set; and the server lives on. The rest of HTTP is in test_http.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from blueno import names
from tests.fakes.access import AccessServer, Rule
from tests.fakes.working_set_server import WorkingServer, a_bundle
from tests.web.site import Site
from tests.web.test_http import CHUNKED, assert_alive, exchange, statuses
from webui import bodies, server, writing

EDITORS = "blueno:editor"
ONE = "/api/v1/datasets/lab/digits"
GOOD = a_bundle(({"key": "a"}, b"content"))
FORM = b'--B\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\nbytes\r\n--B--\r\n'


@pytest.fixture
async def access() -> AccessServer:
    """Editors may write."""
    return AccessServer(rules=[Rule(EDITORS), Rule(EDITORS, verbs=("create", "update"))])


@pytest.fixture
async def token(site: Site, monkeypatch: pytest.MonkeyPatch) -> str:
    """An editor's; the site's limits are one second."""
    monkeypatch.setattr(server, "IDLE_SECONDS", 1.0)
    monkeypatch.setattr(bodies.Patience, "first_seconds", 1.0)
    monkeypatch.setattr(bodies.UploadPatience, "rate", 1e6)
    monkeypatch.setattr(bodies.UploadPatience, "silent_seconds", 1.0)
    editor = await site.logged_in("ed@example.org", "editor", "lab")
    secret: str = (await editor.post("/api/v1/tokens", {"name": "t"})).json["token"]
    return secret


class Sender:
    """Makes requests of an editor."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(
        self, *headers: str, body: bytes = b"", what: str = "POST {}/bundles", kind: str = names.BUNDLE_TYPE
    ) -> bytes:
        lines = [
            f"{what.format(ONE)} HTTP/1.1",
            "Host: x",
            f"Authorization: Bearer {self._token}",
            f"Content-Type: {kind}",
        ]
        return "\r\n".join([*lines, *headers]).encode() + b"\r\n\r\n" + body


@pytest.fixture
def post(token: str) -> Sender:
    return Sender(token)


def broken(post: Sender) -> dict[str, tuple[bytes, list[int]]]:
    """What is sent, and the statuses that are right for it."""
    length, patch = f"Content-Length: {len(GOOD)}", f"PATCH {ONE}/uploads/u1"
    form = {"what": "POST /data/upload?url=file://data/digits/a", "kind": "multipart/form-data; boundary=B"}
    inner = b"POST /api/v1/logout HTTP/1.1\r\nHost: x\r\n\r\n"
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    return {
        "length and chunks": (post(length, CHUNKED, body=b"0\r\n\r\n" + inner), [400]),
        "two lengths": (post(length, "Content-Length: 3", body=GOOD), [400]),
        "length -1": (post("Content-Length: -1"), [400]),
        "length +5": (post("Content-Length: +5", body=b"12345"), [400]),
        "length 1 TB": (post(f"Content-Length: {10**12}"), [413]),
        "length 2^70": (post(f"Content-Length: {2**70}"), [400, 413]),
        "less than there is": (post("Content-Length: 20", body=GOOD), [400]),
        "more than there is": (post(f"Content-Length: {len(GOOD) + 1}", body=GOOD), [408]),
        "bad chunk": (post(CHUNKED, body=b"zz\r\nabc\r\n"), [400]),
        "bad chunk later": (post(CHUNKED, body=chunk + b"zz\r\n"), [400]),
        "negative chunk": (post(CHUNKED, body=b"-5\r\nabcde\r\n"), [400]),
        "chunk of 2^70": (post(CHUNKED, body=b"f" * 20 + b"\r\nabc"), [400, 408]),
        "no end of chunks": (post(CHUNKED, body=chunk), [408]),
        "unknown coding": (post("Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n"), [400, 415]),
        "gzip": (post("Content-Encoding: gzip", length, body=GOOD), [415]),
        "other type": (post(length, body=GOOD, kind="text/plain"), [415]),
        "no body": (post(), [400]),
        "an empty body": (post("Content-Length: 0"), [400]),
        "expects a miracle": (post(length, "Expect: a miracle", body=GOOD), [417]),
        "10^5 headers": (post(*[f"X-{n}: y" for n in range(100_000)]), [431]),
        "a long header": (post("X: " + "y" * 100_000), [431]),
        "NUL in a header": (post("X: a\0b", length, body=GOOD), [400]),
        "offset twice": (
            post("Upload-Offset: 0", "Upload-Offset: 1", "Content-Length: 1", body=b"x", what=patch),
            [422],
        ),
        "offset of letters": (post("Upload-Offset: a", "Content-Length: 1", body=b"x", what=patch), [422]),
        "no offset": (post("Content-Length: 1", body=b"x", what=patch), [422]),
        "dots in the id": (
            post("Upload-Offset: 0", "Content-Length: 1", body=b"x", what=f"PATCH {ONE}/uploads/../u1"),
            [404],
        ),
        "%2e%2e in the id": (
            post("Upload-Offset: 0", "Content-Length: 1", body=b"x", what=f"PATCH {ONE}/uploads/%2e%2e"),
            [404],
        ),
        "a slash in the id": (
            post("Upload-Offset: 0", "Content-Length: 1", body=b"x", what=f"PATCH {ONE}/uploads/a%2fb"),
            [404],
        ),
        "override": (post(length, "X-HTTP-Method-Override: DELETE", body=GOOD), [200]),
        "form without boundary": (
            post("Content-Length: 5", body=b"12345", **form | {"kind": "multipart/form-data"}),
            [404],
        ),
        "two queries": (
            post(f"Content-Length: {len(FORM)}", body=FORM, **form | {"what": form["what"] + "&url=x"}),
            [422],
        ),
    }


async def test_broken_uploads(site: Site, post: Sender, working: WorkingServer) -> None:
    cases = broken(post)
    quiet = [(what, *case) for what, case in cases.items()]
    for start in range(0, len(quiet), 8):  # fewer at once than one person may have
        some = quiet[start : start + 8]
        answers = await asyncio.gather(*(exchange(site, sent) for _, sent, _ in some))
        for (what, _, expected), answer in zip(some, answers, strict=True):
            found = statuses(answer)
            if what == "10^5 headers" and not found:
                continue  # cut off while it was still sending
            assert found, f"{what}: closed without a word: {answer!r}"
            assert found[0] in expected, (what, found)
            assert all(status < 500 for status in found), (what, found)
            if found[0] >= 400:
                assert b"application/problem+json" in answer, what
    assert list(working.samples) in ([], ["a"]), "only the one that was good"
    await assert_alive(site)


async def test_slow_uploads_end(site: Site, post: Sender, working: WorkingServer) -> None:
    length = "Content-Length: 1000000"
    start = GOOD[:8]
    cases = {
        "nothing": ((post(length),), {}),
        "a little, then nothing": ((post(length, body=start),), {}),
        "1 byte in 0.1 s": ((post(length), *(b"x" for _ in range(60))), {"pause": 0.1}),
        "chunks of 1 byte": ((post(CHUNKED), *(b"1\r\nx\r\n" for _ in range(60))), {"pause": 0.1}),
        "expects, then nothing": ((post(length, "Expect: 100-continue"),), {}),
        "closed in the body": ((post(length, body=start),), {"half_close": True}),
    }
    answers = await asyncio.gather(*(exchange(site, *pieces, **how) for pieces, how in cases.values()))
    for what, answer in zip(cases, answers, strict=True):
        assert [status for status in statuses(answer) if status != 100] in ([], [408], [400]), (what, answer)
    assert working.samples == {}
    assert not site.process.services.quotas._running, "no place is held for who has gone"
    await assert_alive(site)


async def test_what_follows_a_refused_upload_is_no_request(site: Site, post: Sender, working: WorkingServer) -> None:
    inner = post(f"Content-Length: {len(GOOD)}", body=GOOD)
    for head in (
        post("Content-Length: 4", CHUNKED, body=b"0\r\n\r\n" + inner),
        post(f"Content-Length: {len(inner)}", "Content-Encoding: gzip", body=inner),
        post(f"Content-Length: {len(inner)}", body=inner, kind="text/plain"),
    ):
        assert 200 not in statuses(await exchange(site, head))
    assert working.samples == {}


async def test_a_data_server_that_takes_nothing_more(
    site: Site, post: Sender, working: WorkingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exchange ends, and the client hears of it."""
    monkeypatch.setattr(writing, "STALL_SECONDS", 1.0)
    working.hold.clear()
    body = b"x" * (48 << 20)
    answer = await exchange(site, post(f"Content-Length: {len(body)}", body=body[: 40 << 20]))
    assert statuses(answer) in ([503], []), answer[:200]
    working.hold.set()
    await assert_alive(site)


FORMS: dict[str, tuple[bytes, int]] = {
    "good": (FORM, 200),
    "a field before": (b'--B\r\nContent-Disposition: form-data; name="x"\r\n\r\n1\r\n' + FORM, 200),
    "a preamble": (b"hello\r\n" + FORM, 200),
    "no part": (b"--B--\r\n", 400),
    "no name": (b"--B\r\nX: y\r\n\r\nbytes\r\n--B--\r\n", 400),
    "no headers": (b"--B\r\n\r\nbytes\r\n--B--\r\n", 400),
    "another name": (FORM.replace(b'"file"', b'"files"'), 400),
    "no end": (FORM[:-9], 400),
    "another boundary": (FORM.replace(b"--B", b"--C"), 400),
    "many parts": (b'--B\r\nContent-Disposition: form-data; name="x"\r\n\r\n1\r\n' * 1000 + FORM, 400),
    "long headers": (b"--B\r\nX: " + b"y" * 200_000 + b"\r\n\r\n", 400),
    "a long epilogue": (FORM + b"z" * 200_000, 400),
    "two files": (FORM[:-7] + FORM, 200),
    "nothing": (b"\r\n", 400),
}


@pytest.mark.parametrize("what", FORMS)
@pytest.mark.parametrize("step", [1 << 20, 7])
async def test_forms(
    site: Site, post: Sender, working: WorkingServer, access: AccessServer, what: str, step: int
) -> None:
    """Whole and in small pieces."""
    body = {"apiVersion": names.API_VERSION, "kind": "Dataset", "metadata": {"namespace": "lab", "name": "digits"}}
    access.api.put(body | {"spec": {"source": {"upload": {}}}})
    access.api.objects["Dataset", "lab", "digits"]["metadata"]["uid"] = working.uid
    sent, status = FORMS[what]
    if step == 7 and len(sent) > 1000:
        step = 4001
    target = "POST /data/upload?url=file://data/digits/a"
    head = post(
        f"Content-Length: {len(sent)}", "Connection: close", what=target, kind='multipart/form-data; boundary="B"'
    )

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(sent), step):
            yield sent[at : at + step]

    answer = await exchange(site, head, *[piece async for piece in pieces()], pause=0.0)
    assert statuses(answer) == [status], (what, answer)
    assert [bytes(one) for one in working.uploads.values()] == ([b"bytes"] if status == 200 else [])
