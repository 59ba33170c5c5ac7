"""The Sample kind: what people add to a working set one by one, or by a list."""
