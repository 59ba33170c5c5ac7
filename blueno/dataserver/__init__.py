"""Serves the pixels of one Dataset over HTTP: a pod of its own, up while somebody looks. No Kubernetes, no SQL."""
