"""Reads a prepared data set without Blueno: only json, numpy and pyarrow. Usage: open_format.py DIRECTORY [OUTPUT.npz]

DIRECTORY is a version: <data set>/versions/<digest>. Format: docs/format.md.
"""

import json
import pathlib
import sys

import numpy as np
import pyarrow as pa

folder = pathlib.Path(sys.argv[1])
manifest = json.loads((folder / "manifest.json").read_text())
index = pa.ipc.open_file(pa.memory_map(str(folder / "index.arrow"))).read_all()
print(f"{manifest['samples']} samples, splits {manifest['splits']}, classes {manifest['classes'][:10]}")

labels = [json.loads(text) if text else None for text in index["label"].to_pylist()]
first = index.slice(0, 1).to_pylist()[0]
shard = manifest["shards"][first["shard"]]
if "dense" in shard:  # pixels: plain arrays, one row per sample
    pixels = np.load(folder / shard["dense"]["name"], mmap_mode="r")[first["row"]]
    print(f"{first['key']}: {labels[0]}, pixels {pixels.shape} {pixels.dtype}")
if "raw" in shard:  # the original files, byte for byte
    files = pa.ipc.open_file(pa.memory_map(str(folder / shard["raw"]["name"]))).get_batch(0)
    print(f"{first['key']}: {labels[0]}, {first['format']} of {len(files['bytes'][first['row']].as_py())} bytes")
if len(sys.argv) > 2 and manifest["dense"]:
    everything = np.concatenate([np.load(folder / s["dense"]["name"]) for s in manifest["shards"]])
    np.savez(sys.argv[2], x=everything, y=np.array([manifest["classes"].index(label) for label in labels]))
