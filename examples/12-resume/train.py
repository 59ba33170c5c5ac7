"""A training that may be killed at any moment and goes on where it was: `python train.py`. Started by run.yaml.

numpy only. What makes the result the same as without the kill: the checkpoint holds all that the next step depends on
(weights, momentum, number of the step), and which samples a step sees is drawn from the step's number.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType

import numpy as np

import blueno
import blueno.checkpoint

State = dict[str, np.ndarray]  # weights w (64, 10), b (10,) and their momentum mw, mb; all float64
_STATE_FILE = "state.npz"
_BATCH, _RATE, _MOMENTUM = 64, 0.2, 0.9


class Stop:
    """Becomes `asked` with SIGTERM, which Kubernetes sends some time before it kills: suspend, eviction, drain."""

    def __init__(self) -> None:
        self.asked = False
        signal.signal(signal.SIGTERM, self._ask)

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        self.asked = True


def parameter(name: str, default: float) -> float:
    """The run's parameter of that name; 0 or more."""
    text = os.environ.get(f"BLUENO_PARAM_{name.upper()}") or str(default)
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not value >= 0:
        raise SystemExit(f"the parameter {name} is {text!r}: give a number such as {default:g}")
    return value


def one_step(state: State, x: np.ndarray, y: np.ndarray) -> tuple[State, float]:
    """The state after one step with momentum on x (samples, 64), y (samples,); and the loss before it."""
    scores = x @ state["w"] + state["b"]
    scores -= scores.max(axis=1, keepdims=True)
    chances = np.exp(scores)
    chances /= chances.sum(axis=1, keepdims=True)
    loss = -float(np.log(chances[np.arange(len(y)), y]).mean())
    chances[np.arange(len(y)), y] -= 1
    mw = _MOMENTUM * state["mw"] - _RATE * (x.T @ chances) / len(y)
    mb = _MOMENTUM * state["mb"] - _RATE * chances.mean(axis=0)
    return {"w": state["w"] + mw, "b": state["b"] + mb, "mw": mw, "mb": mb}, loss


def resumed() -> tuple[State, int]:
    """The newest checkpoint's state and the number of its step; zeros and 0 when there is none."""
    checkpoint = blueno.checkpoint.latest()
    if checkpoint is None:
        print("starts at step 0", flush=True)
        return {"w": np.zeros((64, 10)), "b": np.zeros(10), "mw": np.zeros((64, 10)), "mb": np.zeros(10)}, 0
    with np.load(checkpoint.path / _STATE_FILE, allow_pickle=False) as saved:
        state = {name: saved[name] for name in ("w", "b", "mw", "mb")}
    print(f"continues from step {checkpoint.step}", flush=True)
    return state, checkpoint.step


def main() -> int:
    """Exit status: 0 when done, 143 when stopped by SIGTERM after a checkpoint."""
    stop = Stop()
    steps, every = int(parameter("steps", 400)), max(1, int(parameter("every", 20)))
    pause = parameter("pause", 0)  # seconds after each step, so that there is time to watch and to kill
    digits = blueno.open_dataset(os.environ["BLUENO_DATASET_DIGITS"])
    x, y = digits.batch(range(len(digits))).reshape(len(digits), 64) / 255.0, digits.labels
    state, done = resumed()
    for step in range(done + 1, steps + 1):
        rows = np.random.default_rng([1, step]).integers(0, len(x), _BATCH)
        state, loss = one_step(state, x[rows], y[rows])
        if step % every == 0 or step == steps or stop.asked:
            blueno.checkpoint.save(step, lambda folder: np.savez(folder / _STATE_FILE, **state))  # noqa: B023
            blueno.report(step=step, progress=step / steps, loss=loss)
            print(f"step {step}: loss {loss:.4f}, saved", flush=True)
        if stop.asked:
            print(f"asked to stop: step {step} is saved", flush=True)
            return 128 + signal.SIGTERM
        time.sleep(pause)
    output = Path(os.environ.get("BLUENO_OUTPUT", "output"))
    output.mkdir(parents=True, exist_ok=True)
    np.savez(output / ".weights.npz", w=state["w"], b=state["b"])
    print(f"wrote {(output / '.weights.npz').replace(output / 'weights.npz')} after step {steps}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
