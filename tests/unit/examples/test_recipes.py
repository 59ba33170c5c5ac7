"""Python of docs/training.md, run as it stands. The large libraries are stand-ins: numpy does what a recipe counts on,
the rest only has to be called; what is Blueno's is real.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import pytest

import blueno
from blueno import names
from tests import recipes
from tests.fakes.examples import digits_version

FIRST, RESUME, TORCH, TENSORFLOW, TRANSFORMERS = recipes.blocks("python")


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return digits_version(tmp_path_factory.mktemp("digits"))


@pytest.fixture
def reported(digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What a program in a pod reports, whose data set is digits and whose output directory is `tmp_path`."""
    monkeypatch.setenv("BLUENO_DATASET_DIGITS", str(digits))
    monkeypatch.setenv(names.ENV_OUTPUT, str(tmp_path))
    monkeypatch.setenv(names.ENV_CHECKPOINT_DIR, str(tmp_path / "checkpoints"))
    found: list[dict[str, Any]] = []
    monkeypatch.setattr(blueno, "report", lambda **values: found.append(values))
    return found


def played(recipe: str, **given: Any) -> dict[str, Any]:
    """The names that the recipe has made of those that it was `given`."""
    exec(compile(recipe, str(recipes.PAGE), "exec"), given)
    return given


def stand_in(monkeypatch: pytest.MonkeyPatch, name: str, **has: Any) -> Any:
    """A module that can be imported, has this, and takes every other call."""
    module: Any = MagicMock(spec=ModuleType(name))
    for key, value in has.items():
        setattr(module, key, value)
    monkeypatch.setitem(sys.modules, name, module)
    return module


def test_all_are_here() -> None:
    assert len(recipes.blocks("python")) == 5


def test_the_first_run(reported: list[dict[str, Any]]) -> None:
    images = played(FIRST)["images"]
    assert (images.shape, images.dtype) == ((32, 8, 8, 1), np.uint8), "the recipe's comment says so"
    assert reported == [{"step": 1, "progress": 0.01, "loss": 2.3}]


def test_resume(reported: list[dict[str, Any]]) -> None:
    state = {"weights": np.arange(3)}
    assert played(RESUME, blueno=blueno, np=np, state=state, step=7)["start"] == 0
    again = played(RESUME, blueno=blueno, np=np, state=state, step=8)
    assert again["start"] == 7
    assert list(np.load(again["latest"].path / "state.npz")["weights"]) == [0, 1, 2]


class Tensor(np.ndarray[Any, Any]):
    """What torch's own tensors are asked for here."""

    def permute(self, *axes: int) -> Any:
        return self.transpose(axes)

    def float(self) -> Any:
        return self.astype(np.float32)


def test_torch(reported: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    distributed = stand_in(monkeypatch, "torch.distributed", init_process_group=MagicMock())
    data = MagicMock(Dataset=object)
    saves = MagicMock(side_effect=lambda _, path: path.write_text("weights"))
    load = MagicMock()
    stand_in(
        monkeypatch, "torch", distributed=distributed, utils=MagicMock(data=data), cuda=MagicMock(), nn=MagicMock(),
        from_numpy=lambda array: np.asarray(array).view(Tensor), save=saves, load=load,
    )  # fmt: skip
    monkeypatch.setenv("LOCAL_RANK", "0")
    made = played(TORCH, build_model=MagicMock(), step=3, loss=0.5)
    pictures = made["Digits"]()
    batch = pictures.__getitems__([0, 5])
    assert len(pictures) == 1797
    assert [pixels.shape for pixels, _ in batch] == [(1, 8, 8), (1, 8, 8)]
    assert [int(label) for _, label in batch] == [int(pictures.data.labels[row]) for row in (0, 5)]
    assert 0 < max(pixels.max() for pixels, _ in batch) <= 1
    assert reported[0] == {"step": 3, "loss": 0.5}
    load.assert_not_called()
    played(TORCH, build_model=MagicMock(), step=4, loss=0.4)
    (path,) = load.call_args.args
    assert path.read_text() == "weights"


def test_tensorflow(reported: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    callback, model = MagicMock(), MagicMock()
    keras = MagicMock()
    keras.callbacks.LambdaCallback = callback
    data = MagicMock()
    stand_in(monkeypatch, "tensorflow", distribute=MagicMock(), data=data, keras=keras)
    played(TENSORFLOW, build_model=lambda: model)
    ((pixels, labels),) = data.Dataset.from_tensor_slices.call_args.args
    assert (pixels.shape, len(labels)) == ((1797, 8, 8, 1), 1797)
    assert pixels.max() <= 1
    assert model.fit.call_args.kwargs["callbacks"] == [callback.return_value]
    callback.call_args.kwargs["on_epoch_end"](2, {"loss": 0.25, "accuracy": 0.9})
    assert reported == [{"step": 2, "loss": 0.25, "accuracy": 0.9}]


def test_transformers(reported: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    trainer, arguments, last = MagicMock(), MagicMock(), MagicMock()
    stand_in(monkeypatch, "transformers", Trainer=trainer, TrainingArguments=arguments)
    stand_in(monkeypatch, "transformers.trainer_utils", get_last_checkpoint=last)
    played(TRANSFORMERS, model="model", train="train")
    folder = os.environ[names.ENV_CHECKPOINT_DIR]
    assert Path(folder).is_dir()
    arguments.assert_called_once_with(output_dir=folder)
    last.assert_called_once_with(folder)
    trainer.return_value.train.assert_called_once_with(resume_from_checkpoint=last.return_value)
    trainer.return_value.save_model.assert_called_once_with(str(tmp_path))
