"""Trains a tiny 3D convolutional network to segment volumes, with jax: `python train.py`. Started by run.yaml.

Reads the split `train` of the data set at BLUENO_DATASET_VOLUMES, samples of (z, y, x, 2): intensity and mask. Writes
weights.npz to BLUENO_OUTPUT; evaluate.py computes the Dice score on the split `test` from it.
"""

from __future__ import annotations

import os
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import blueno

Weights = dict[str, jax.Array]
# A small U-Net: (name, kernel's width, channels in, channels out). Level 2 has half the voxels along each axis, level 3
# a quarter; `up` sees level 2 and what comes up from 3, `mix` level 1 and what comes up from 2.
LAYERS = (
    ("one", 3, 1, 6),
    ("two", 3, 6, 12),
    ("three", 3, 12, 24),
    ("up", 3, 36, 12),
    ("mix", 1, 18, 8),
    ("out", 1, 8, 1),
)
_EPOCHS, _BATCH, _RATE = 24, 2, 0.01


def layer(weights: Weights, name: str, x: jax.Array) -> jax.Array:
    """A convolution with zeros around it: (n, z, y, x, in) to (n, z, y, x, out).

    As one product of matrices: on a processor its gradient takes a tenth of the time of jax's own 3D convolution's.
    """
    kernel = weights[f"{name}_kernel"]
    width, sizes = kernel.shape[0], x.shape[1:4]
    around = jnp.pad(x, [(0, 0), *[(width // 2, width // 2)] * 3, (0, 0)])
    taps = [
        jax.lax.dynamic_slice(around, (0, *tap, 0), (len(x), *sizes, x.shape[4])) for tap in np.ndindex(*(width,) * 3)
    ]
    return jnp.concatenate(taps, axis=-1) @ kernel.reshape(-1, kernel.shape[4]) + weights[f"{name}_bias"]


def smaller(x: jax.Array) -> jax.Array:
    """Means of 2 × 2 × 2 voxels."""
    n, z, y, w, channels = x.shape
    return x.reshape(n, z // 2, 2, y // 2, 2, w // 2, 2, channels).mean(axis=(2, 4, 6))


def larger(x: jax.Array) -> jax.Array:
    """Each voxel 2 × 2 × 2 times."""
    return x.repeat(2, axis=1).repeat(2, axis=2).repeat(2, axis=3)


def network(weights: Weights, x: jax.Array) -> jax.Array:
    """(n, z, y, x, 1) intensities around 0 to (n, z, y, x) scores; above 0 means inside. z, y, x divisible by 4."""
    one = jax.nn.relu(layer(weights, "one", x))
    two = jax.nn.relu(layer(weights, "two", smaller(one)))
    three = jax.nn.relu(layer(weights, "three", smaller(two)))
    up = jax.nn.relu(layer(weights, "up", jnp.concatenate([two, larger(three)], axis=-1)))
    mix = jax.nn.relu(layer(weights, "mix", jnp.concatenate([one, larger(up)], axis=-1)))
    return layer(weights, "out", mix)[..., 0]


def loss_of(weights: Weights, x: jax.Array, mask: jax.Array) -> jax.Array:
    """Cross-entropy of the voxels and 1 - Dice of the volumes, so that small structures count, too."""
    scores = network(weights, x)
    entropy = jnp.mean(jnp.maximum(scores, 0) - scores * mask + jnp.log1p(jnp.exp(-jnp.abs(scores))))
    inside, axes = jax.nn.sigmoid(scores), (1, 2, 3)
    dice = (2 * (inside * mask).sum(axes) + 1) / (inside.sum(axes) + mask.sum(axes) + 1)
    return entropy + 1 - dice.mean()


@jax.jit
def step(state: tuple[Weights, Weights, Weights], number: jax.Array, x: jax.Array, mask: jax.Array):
    """One step of Adam: (weights, means, squares) after it, and the loss before it. `number` counts from 1."""
    weights, mean, square = state
    loss, slope = jax.value_and_grad(loss_of)(weights, x, mask)
    mean = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, mean, slope)
    square = jax.tree.map(lambda s, g: 0.999 * s + 0.001 * g * g, square, slope)
    size = _RATE * jnp.sqrt(1 - 0.999**number) / (1 - 0.9**number)
    weights = jax.tree.map(lambda w, m, s: w - size * m / (jnp.sqrt(s) + 1e-8), weights, mean, square)
    return (weights, mean, square), loss


def starting_weights() -> Weights:
    """The same in every run."""
    random = np.random.default_rng(1)
    weights = {}
    for name, width, inner, outer in LAYERS:
        shape = (width, width, width, inner, outer)
        scale = (2 / (width**3 * inner)) ** 0.5
        weights[f"{name}_kernel"] = jnp.asarray(random.normal(0, scale, shape), jnp.float32)
        weights[f"{name}_bias"] = jnp.zeros(outer)
    return weights


def main() -> None:
    """One run."""
    train = blueno.open_dataset(os.environ["BLUENO_DATASET_VOLUMES"]).split("train")
    volumes = train.batch(range(len(train)))
    x, mask = (volumes[..., :1].astype(np.float32) - 100) / 50, volumes[..., 1].astype(np.float32)
    print(f"{train}: volumes of {volumes.shape[1:4]}", flush=True)
    weights = starting_weights()
    nothing = jax.tree.map(jnp.zeros_like, weights)
    state, number, order = (weights, nothing, nothing), 0, np.random.default_rng(1)
    for epoch in range(1, _EPOCHS + 1):
        losses = []
        for rows in order.permutation(len(x))[: len(x) // _BATCH * _BATCH].reshape(-1, _BATCH):
            number += 1
            # Mirrored at random: eight times as many volumes to learn from.
            axes = tuple(axis for axis in (1, 2, 3) if order.random() < 0.5)
            batch = [np.flip(part[rows], axes) for part in (x, mask)]
            state, loss = step(state, jnp.float32(number), *batch)
            losses.append(float(loss))
        blueno.report(step=number, progress=epoch / _EPOCHS, loss=float(np.mean(losses)))
        print(f"epoch {epoch:3d}: loss {np.mean(losses):.4f}", flush=True)
    output = Path(os.environ.get("BLUENO_OUTPUT", "output"))
    output.mkdir(parents=True, exist_ok=True)
    np.savez(output / ".weights.npz", **{name: np.asarray(value) for name, value in state[0].items()})
    print(f"wrote {(output / '.weights.npz').replace(output / 'weights.npz')}", flush=True)


if __name__ == "__main__":
    main()
