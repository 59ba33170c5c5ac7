"""Bars for people: while samples are sent and while they are saved; none for programs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.cli.conftest import Blueno
from tests.unit.cli.test_process import in_terminal, terminal

__all__ = ("terminal",)  # a fixture

pytestmark = pytest.mark.usefixtures("uploads")
ERASED = "\x1b[2K"


@pytest.fixture
def photos(tmp_path: Path, blueno: Blueno) -> Path:
    """Three files, in the command's directory."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.png").write_bytes(bytes(4000 + number))
    return folder


def test_sending(terminal: dict[str, str], photos: Path) -> None:
    shown = in_terminal(["sample", "add", "mine", str(photos)], terminal, "3 added")
    assert ("mine " in shown, "3/3" in shown, ERASED in shown) == (True, True, True)
    plain = in_terminal(["sample", "add", "mine", str(photos)], terminal | {"TERM": "dumb"}, "3 there already")
    assert ("3/3" in plain, "\x1b[" in plain) == (False, False)


def test_saving(terminal: dict[str, str], photos: Path, blueno: Blueno, tmp_path: Path) -> None:
    assert blueno("sample", "add", "mine", "photos").exit_code == 0
    shown = in_terminal(["sample", "download", "mine", "1.png", "-t", "1.png"], terminal, "1.png\r\n\x00never")
    assert "3.9/3.9 KiB" in shown, shown
    everything = in_terminal(["sample", "download", "mine", "--all", "-t", "all"], terminal, "3 samples in all")
    assert ("mine 3 samples" in everything, "12.0 kB" in everything) == (True, True), everything
    assert (tmp_path / "all/2.png").read_bytes() == (photos / "2.png").read_bytes()


def test_colours_are_left_out_of_bars(terminal: dict[str, str], photos: Path) -> None:
    shown = in_terminal(["sample", "add", "mine", str(photos)], terminal | {"NO_COLOR": "1"}, "3 added")
    assert "3/3" in shown
    assert not [part for part in shown.split("\x1b[")[1:] if part.lstrip("0123456789;").startswith("m")]


def test_a_program_gets_lines(blueno: Blueno, photos: Path) -> None:
    assert "\x1b" not in blueno("sample", "add", "mine", "photos").output
    assert blueno("sample", "download", "mine", "--all", "-t", "all").output == "3 samples in all\n"
