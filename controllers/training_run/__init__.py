"""The Dataset kind: observe (cache → plain words), decide (words → Step), build (manifests), kind (status)."""
