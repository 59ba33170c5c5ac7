"""Blueno: image data sets as Kubernetes objects. `open_dataset` reads what was prepared."""

__version__ = "0.1.0"
