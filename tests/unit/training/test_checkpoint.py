"""blueno.checkpoint: whole or not there, whatever happens in between."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from blueno import checkpoint, names

TOP = Path(__file__).resolve().parents[3]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(names.ENV_CHECKPOINT_DIR, str(tmp_path / "checkpoints"))
    return tmp_path / "checkpoints"


def put(text: str = "weights") -> object:
    def write(part: Path) -> None:
        (part / "sub").mkdir()
        (part / "sub" / "model.pt").write_text(text)

    return write


def held(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_nothing_is_there_at_first(folder: Path) -> None:
    assert checkpoint.latest() is None


def test_the_newest_are_kept(folder: Path) -> None:
    for step in (1, 20, 300, 1_000_000_000):
        path = checkpoint.save(step, put(str(step)))  # type: ignore[arg-type]
        assert path == folder / f"step-{step:012}"
        assert checkpoint.latest() == checkpoint.Checkpoint(path, step)
        assert (path / "sub" / "model.pt").read_text() == str(step)
    assert held(folder) == ["step-000000000020", "step-000000000300", "step-001000000000"]
    checkpoint.save(1_000_000_001, put(), keep=0)  # type: ignore[arg-type]
    assert held(folder) == ["step-001000000001"]


def test_the_same_step_again_replaces_it(folder: Path) -> None:
    for text in ("old", "new"):
        path = checkpoint.save(5, put(text))  # type: ignore[arg-type]
    assert path is not None
    assert held(folder) == [path.name]
    assert (path / "sub" / "model.pt").read_text() == "new"


def test_a_write_that_fails_leaves_what_was_there(folder: Path) -> None:
    checkpoint.save(1, put())  # type: ignore[arg-type]

    def fail(part: Path) -> None:
        (part / "half").write_text("x")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        checkpoint.save(2, fail)
    assert held(folder) == ["step-000000000001"]


def test_a_process_killed_in_the_middle_leaves_no_checkpoint(folder: Path) -> None:
    code = """
        import os, signal
        from blueno import checkpoint
        checkpoint.save(1, lambda part: (part / "a").write_text("whole"))
        def die(part):
            (part / "a").write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)
        checkpoint.save(2, die)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], env={**os.environ, "PYTHONPATH": str(TOP)}, check=False
    )
    assert done.returncode == -signal.SIGKILL
    found = checkpoint.latest()
    assert found is not None
    assert found.step == 1
    (rest,) = folder.glob(".part-*")
    checkpoint.save(3, put())  # type: ignore[arg-type]
    assert rest.exists(), "it may be somebody's work in progress"
    old = time.time() - 2 * checkpoint.STALE_SECONDS
    os.utime(rest, (old, old))
    checkpoint.save(4, put())  # type: ignore[arg-type]
    assert not rest.exists()


def test_foreign_things_in_the_directory_are_left_alone(folder: Path) -> None:
    folder.mkdir()
    (folder / "step-000000000009").write_text("a file")
    (folder / "mine").mkdir()
    (folder / "step-10").mkdir()
    assert checkpoint.latest() is None
    for step in range(5):
        checkpoint.save(step, put())  # type: ignore[arg-type]
    assert {"step-000000000009", "mine", "step-10"} <= set(held(folder))


def test_only_rank_0_saves(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    assert checkpoint.save(1, put()) is None  # type: ignore[arg-type]
    assert not folder.exists()


@pytest.mark.parametrize("step", [-1, 10**12])
def test_steps_that_fit_no_name_are_refused(folder: Path, step: int) -> None:
    with pytest.raises(ValueError, match="step must be"):
        checkpoint.save(step, put())  # type: ignore[arg-type]


def test_another_runs_checkpoint_until_there_is_one_of_ones_own(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "resume" / "checkpoints" / "step-000000000042"
    monkeypatch.setenv(names.ENV_RESUME_FROM, str(other))
    assert checkpoint.latest() is None
    other.mkdir(parents=True)
    assert checkpoint.latest() == checkpoint.Checkpoint(other, 42)
    checkpoint.save(43, put())  # type: ignore[arg-type]
    found = checkpoint.latest()
    assert found is not None
    assert found.step == 43


def test_outside_a_pod_it_is_a_folder_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(names.ENV_CHECKPOINT_DIR, raising=False)
    monkeypatch.chdir(tmp_path)
    checkpoint.save(1, put())  # type: ignore[arg-type]
    assert (tmp_path / "checkpoints" / "step-000000000001").is_dir()
