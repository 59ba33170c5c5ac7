"""Names on volumes as text: printable, one text for each name, and the same name again."""

from __future__ import annotations

import random

import pytest

from blueno import filenames

SHOWN = {
    b"model.npz": "model.npz",
    "größe 日本.txt".encode(): "größe 日本.txt",
    b"two\nlines": r"two\x0alines",
    b"\x1b[2Jclear": r"\x1b[2Jclear",
    b"\xff\xfe": r"\xff\xfe",
    b"back\\slash": r"back\\slash",
    rb"\x41": r"\\x41",
    "‮gpj.exe".encode(): r"\xe2\x80\xaegpj.exe",
    b"a b": "a b",
    b"\xed\xa0\x80": r"\xed\xa0\x80",  # half a surrogate pair, as UTF-8 forbids it
}


@pytest.mark.parametrize(("name", "text"), SHOWN.items())
def test_known_names(name: bytes, text: str) -> None:
    assert filenames.shown(name) == text
    assert filenames.meant(text) == name


def test_every_name_comes_back_and_can_be_printed() -> None:
    chance = random.Random(1)
    for _ in range(3000):
        name = bytes(chance.choice(b"ab\\x0f\n\xff\xc3\xa9\xe2\x80") for _ in range(chance.randrange(1, 20)))
        text = filenames.shown(name)
        assert text.isprintable()
        assert text.encode()
        assert filenames.meant(text) == name


def test_two_names_never_have_the_same_text() -> None:
    names = [bytes([a, b]) for a in range(1, 256) for b in b"\\x0\xa9\xc3"]
    assert len({filenames.shown(name) for name in names}) == len(set(names))


@pytest.mark.parametrize("text", ["\\", "a\\", r"\n", r"\x4", r"\xZZ", r"\xFF", r"\ x41"])
def test_what_is_no_text_of_a_name(text: str) -> None:
    with pytest.raises(ValueError, match="backslash"):
        filenames.meant(text)


def test_paths() -> None:
    assert filenames.steps("") == filenames.steps("/") == ()
    assert filenames.steps("/checkpoints/step-1/") == (b"checkpoints", b"step-1")
    assert filenames.steps(r"a\x0ab/\xff") == (b"a\nb", b"\xff")
    assert filenames.joined((b"a\nb", b"\xff")) == r"a\x0ab/\xff"


@pytest.mark.parametrize(
    "path",
    ["..", "a/../b", "a//b", ".", r"a\x2fb", r"\x2e\x2e", r"a\x00", "x" * 256, "/".join("a" * 65), r"..\\"[:2]],
)
def test_paths_that_lead_elsewhere(path: str) -> None:
    with pytest.raises(ValueError):
        filenames.steps(path)
