"""Blueno's objects as frozen values, parsed from plain dicts. Pure: standard library only."""
