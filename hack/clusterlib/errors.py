"""The one exception that a user sees as a sentence. Raised everywhere in clusterlib, caught by cli.py."""

from __future__ import annotations


class Refused(Exception):
    """The command cannot be done; the message says why and what to do, in one sentence."""
