"""Computes the accuracy on the held-out digits from the saved weights alone: `evaluate.py VERSION WEIGHTS.npz [AT_LEAST]`.

Shares no code with train.py or Blueno: it reads the files of the version (docs/format.md) with json, numpy and pyarrow
and does the network's arithmetic itself. Ends with 1 when the accuracy is below AT_LEAST (default 0.95).
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa


def read(version: Path) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Pixels (samples, 8, 8, 1), labels as whole numbers and names of all samples of a version's directory."""
    manifest = json.loads((version / "manifest.json").read_text())
    index = pa.ipc.open_file(pa.memory_map(str(version / "index.arrow"))).read_all()
    pixels = np.concatenate([np.load(version / shard["dense"]["name"]) for shard in manifest["shards"]])
    labels = np.array([int(json.loads(text)) for text in index["label"].to_pylist()])  # the classes are "0" … "9"
    return pixels, labels, index["key"].to_pylist()


def main(version: Path, weights: Path, at_least: float = 0.95) -> int:
    """Exit status."""
    pixels, labels, keys = read(version)
    test = np.array([int(hashlib.sha256(key.encode()).hexdigest()[:2], 16) <= 50 for key in keys])
    x = pixels[test].reshape(-1, 64) / 255.0
    with np.load(weights, allow_pickle=False) as saved:
        hidden = np.maximum(x @ saved["w1"] + saved["b1"], 0)
        scores = hidden @ saved["w2"] + saved["b2"]
    right = int((scores.argmax(axis=1) == labels[test]).sum())
    accuracy = right / len(x)
    print(f"accuracy {accuracy:.4f}: {right} of {len(x)} digits the training never saw")
    return 0 if accuracy >= at_least else 1


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit("usage: evaluate.py VERSION WEIGHTS.npz [AT_LEAST]")
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), *map(float, sys.argv[3:])))
