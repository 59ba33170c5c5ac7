"""The format on the volume: layout, manifest, index, shards, and `open_dataset`. No Kubernetes, no SQL, no network."""
