"""The body of a form: sent again from where it began, by one attempt at a time."""

from __future__ import annotations

import io
import os

import pytest

from blueno.client import PlatformError, multipart


def test_the_body_of_a_form() -> None:
    with multipart.Multipart(io.BytesIO(b"abc")) as body:
        once, again = (b"".join(body.blocks()) for _ in range(2))
    assert once == again
    assert len(once) == body.size
    assert once.endswith(f"\r\n\r\nabc\r\n--{body.boundary}--\r\n".encode())


def test_an_attempt_that_was_given_up_moves_no_file() -> None:
    """Its thread goes on when the next attempt reads the same file, and when the file is its owner's again."""
    content = os.urandom(3 * multipart.BLOCK)
    file = io.BytesIO(content)
    with multipart.Multipart(file) as body:
        late, first = body.blocks(), body.blocks()
        begun = [next(first), next(first)]
        second = body.blocks()
        sent = [next(second), next(second)]
        for given_up in (first, late):
            with pytest.raises(PlatformError, match="given up"):
                list(given_up)
        assert begun == sent
        assert content in b"".join([*sent, *second])
        last = body.blocks()
        next(last)
    file.seek(7)
    with pytest.raises(PlatformError, match="given up"):
        next(last)
    assert file.tell() == 7
    with multipart.Multipart(io.BytesIO(content)) as body:
        assert content in b"".join(body.blocks())
