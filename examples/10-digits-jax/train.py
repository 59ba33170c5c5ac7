"""Trains a small network on the digits with jax: `python train.py`. Started by run.yaml; evaluate.py judges it.

Reads the data set at BLUENO_DATASET_DIGITS and hyper-parameters from BLUENO_PARAM_*, reports after every epoch, and
writes weights.npz to BLUENO_OUTPUT. A fifth of the samples, chosen by their names, is held out: never trained on.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np

import blueno

Number = TypeVar("Number", int, float)
Weights = dict[str, jax.Array]


def parameter(name: str, default: Number) -> Number:
    """The run's parameter of that name, as a number of the default's type."""
    text = os.environ.get(f"BLUENO_PARAM_{name.upper()}", "")
    try:
        value = type(default)(text) if text else default
    except ValueError:
        raise SystemExit(f"the parameter {name} is {text!r}: give a number such as {default}") from None
    if not value > 0:
        raise SystemExit(f"the parameter {name} is {text}: it must be above 0")
    return value


def held_out(keys: Sequence[str]) -> np.ndarray:
    """(len(keys),) bool: True for the fifth that is only for testing. A name decides, so that it is always the same."""
    return np.array([hashlib.sha256(key.encode()).digest()[0] < 51 for key in keys])


def network(weights: Weights, x: jax.Array) -> jax.Array:
    """(samples, 64) pixels of 0 … 1 to (samples, 10) scores."""
    hidden = jax.nn.relu(x @ weights["w1"] + weights["b1"])
    return hidden @ weights["w2"] + weights["b2"]


def loss_of(weights: Weights, x: jax.Array, y: jax.Array) -> jax.Array:
    """Mean cross-entropy."""
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(network(weights, x)), y[:, None], axis=1))


def starting_weights(seed: int, hidden: int) -> Weights:
    """Two layers, drawn from `seed`."""
    first, second = jax.random.split(jax.random.key(seed))
    return {
        "w1": jax.random.normal(first, (64, hidden)) / 8,
        "b1": jnp.zeros(hidden),
        "w2": jax.random.normal(second, (hidden, 10)) / hidden**0.5,
        "b2": jnp.zeros(10),
    }


def epoch_with(rate: float) -> Callable[..., tuple[tuple[Weights, Weights, Weights, jax.Array], jax.Array]]:
    """One compiled function for an epoch: Adam over batches of shape (batches, batch, …); returns state and losses."""

    def update(state: tuple[Weights, Weights, Weights, jax.Array], batch: tuple[jax.Array, jax.Array]):
        weights, mean, square, step = state
        loss, slope = jax.value_and_grad(loss_of)(weights, *batch)
        step = step + 1
        mean = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, mean, slope)
        square = jax.tree.map(lambda s, g: 0.999 * s + 0.001 * g * g, square, slope)
        size = rate * jnp.sqrt(1 - 0.999**step) / (1 - 0.9**step)
        weights = jax.tree.map(lambda w, m, s: w - size * m / (jnp.sqrt(s) + 1e-8), weights, mean, square)
        return (weights, mean, square, step), loss

    return jax.jit(lambda state, x, y: jax.lax.scan(update, state, (x, y)))


def save(weights: Weights, folder: Path) -> Path:
    """Writes weights.npz; whoever looks sees all of it or nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / ".weights.npz"
    np.savez(unfinished, **{name: np.asarray(value) for name, value in weights.items()})
    return unfinished.replace(folder / "weights.npz")


def main() -> None:
    """One run."""
    epochs, batch, hidden = parameter("epochs", 40), parameter("batch", 32), parameter("hidden", 64)
    digits = blueno.open_dataset(os.environ["BLUENO_DATASET_DIGITS"])
    x = digits.batch(range(len(digits))).reshape(len(digits), 64).astype(np.float32) / 255
    y, test = digits.labels, held_out(digits.keys)
    x_train, y_train, x_test, y_test = x[~test], y[~test], x[test], y[test]
    batches = len(x_train) // batch
    if not batches:
        raise SystemExit(f"the parameter batch is {batch}, and there are only {len(x_train)} samples to train on")
    print(f"{digits}: {len(x_train)} to train on, {len(x_test)} held out", flush=True)

    seed = parameter("seed", 1)
    weights = starting_weights(seed, hidden)
    nothing = jax.tree.map(jnp.zeros_like, weights)
    state = (weights, nothing, nothing, jnp.zeros((), jnp.int32))
    run_epoch, order = epoch_with(parameter("lr", 0.003)), np.random.default_rng(seed)
    for epoch in range(1, epochs + 1):
        rows = order.permutation(len(x_train))[: batches * batch].reshape(batches, batch)
        state, losses = run_epoch(state, x_train[rows], y_train[rows])
        right = np.asarray(network(state[0], x_test)).argmax(axis=1) == y_test
        loss, accuracy = float(losses.mean()), float(right.mean())
        blueno.report(step=epoch, progress=epoch / epochs, loss=loss, accuracy=accuracy)
        print(f"epoch {epoch:3d}: loss {loss:.4f}, accuracy {accuracy:.4f}", flush=True)
    print(f"wrote {save(state[0], Path(os.environ.get('BLUENO_OUTPUT', 'output')))}", flush=True)


if __name__ == "__main__":
    main()
