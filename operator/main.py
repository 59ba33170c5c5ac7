"""Entry point: `python -m kopf run --standalone --all-namespaces operator/main.py`."""

import kopf

from controllers import lifecycle

lifecycle.register(kopf.get_default_registry())
