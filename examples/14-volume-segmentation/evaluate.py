"""Computes the Dice score on the held-out volumes from the saved weights alone: `evaluate.py VERSION WEIGHTS.npz [FOLDER]`.

Shares no code with train.py or Blueno: reads the version (docs/format.md) with json, numpy and pyarrow, and convolves in
numpy. Writes each volume's segmentation to FOLDER as a NIfTI file, for any viewer. Ends with 1 when the mean is below 0.9.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import nifti
import numpy as np
import pyarrow as pa

AT_LEAST = 0.9


def test_volumes(version: Path) -> Iterator[tuple[str, np.ndarray]]:
    """(name, array of (z, y, x, 2)) of each sample of the split `test`: they are kept as the .npy files they came from."""
    shards = json.loads((version / "manifest.json").read_text())["shards"]
    for row in pa.ipc.open_file(pa.memory_map(str(version / "index.arrow"))).read_all().to_pylist():
        if row["split"] == "test":
            file = version / shards[row["shard"]]["raw"]["name"]
            packed = pa.ipc.open_file(pa.memory_map(str(file))).get_batch(0)["bytes"][row["row"]].as_py()
            yield row["key"], np.load(io.BytesIO(packed), allow_pickle=False)


def convolved(x: np.ndarray, saved: dict[str, np.ndarray], name: str) -> np.ndarray:
    """(z, y, x, in) with a kernel (k, k, k, in, out), zeros around it: (z, y, x, out)."""
    kernel = saved[f"{name}_kernel"]
    reach = kernel.shape[0] // 2
    around = np.pad(x, [(reach, reach)] * 3 + [(0, 0)])
    z, y, w = x.shape[:3]
    total = np.zeros((z, y, w, kernel.shape[4])) + saved[f"{name}_bias"]
    for i, j, k in np.ndindex(*kernel.shape[:3]):
        total += around[i : i + z, j : j + y, k : k + w] @ kernel[i, j, k]
    return total


def halved(x: np.ndarray) -> np.ndarray:
    """Means of 2 × 2 × 2 voxels."""
    return sum(x[i::2, j::2, k::2] for i, j, k in np.ndindex(2, 2, 2)) / 8


def segmented(intensities: np.ndarray, saved: dict[str, np.ndarray]) -> np.ndarray:
    """(z, y, x) uint8 to (z, y, x) bool, by the network that train.py describes."""
    doubled, one_voxel = np.ones((2, 2, 2, 1)), (intensities[..., None].astype(float) - 100) / 50
    one = np.maximum(convolved(one_voxel, saved, "one"), 0)
    two = np.maximum(convolved(halved(one), saved, "two"), 0)
    three = np.maximum(convolved(halved(two), saved, "three"), 0)
    up = np.maximum(convolved(np.concatenate([two, np.kron(three, doubled)], axis=3), saved, "up"), 0)
    mix = np.maximum(convolved(np.concatenate([one, np.kron(up, doubled)], axis=3), saved, "mix"), 0)
    return convolved(mix, saved, "out")[..., 0] > 0


def dice(found: np.ndarray, truth: np.ndarray) -> float:
    """1 when both are the same, 0 when they share no voxel."""
    return float(2 * (found & truth).sum() / max(1, found.sum() + truth.sum()))


def main(version: Path, weights: Path, folder: Path | None) -> int:
    """Exit status."""
    with np.load(weights, allow_pickle=False) as file:
        saved = dict(file)
    scores = []
    for key, sample in test_volumes(version):
        found, truth = segmented(sample[..., 0], saved), sample[..., 1] > 0
        scores.append(dice(found, truth))
        threshold = dice(sample[..., 0] > 115, truth)
        print(f"{key}: Dice {scores[-1]:.3f}; a threshold would have {threshold:.3f}")
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            nifti.write(folder / f"{Path(key).stem}.nii", found.astype(np.uint8), (2.0, 1.0, 1.0), "segmentation")
    if not scores:
        raise SystemExit(f"{version} has no split `test`")
    print(f"Dice {np.mean(scores):.3f} on {len(scores)} volumes the training never saw")
    return 0 if np.mean(scores) >= AT_LEAST else 1


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit("usage: evaluate.py VERSION WEIGHTS.npz [FOLDER]")
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]) if len(sys.argv) == 4 else None))
