"""Pure pieces of manifests shared by the kinds."""
