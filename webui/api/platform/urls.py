"""Addresses of data as programs of 2019 wrote them. An address is a name for bytes: it is compared, stored and shown,
and never becomes a path or a connection here. Pure; used by samples.py and data.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from webui.problems import Problem

LOCAL = "file://data/"
REMOTE = ("gs://", "az://", "s3://", "https://", "http://")
LONGEST = 2048
NAME = 255  # characters of a data set's name: as many as the CRD lets displayName have
_PICTURES = (".png", ".jpg", ".jpeg")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True)
class DataAddress:
    """`file://data/<path>`, or an address elsewhere: then `path` is empty."""

    url: str
    path: str = ""

    @property
    def is_remote(self) -> bool:
        return not self.path

    @property
    def datasets(self) -> tuple[str, ...]:
        """Names that its data set may have, the longest first: a name may hold `/`, and so may that of a sample."""
        parts = self.path.split("/")
        names = ("/".join(parts[:count]) for count in range(len(parts) - 1, 0, -1))
        return tuple(name for name in names if len(name) <= NAME)

    def rest(self, dataset: str) -> str:
        """What comes after the data set's name."""
        return self.path[len(dataset) + 1 :]


def parse(url: str) -> DataAddress:
    """Raises Problem 400 for what is no address of data."""
    if len(url) > LONGEST or _CONTROL.search(url):
        raise _bad(f"has at most {LONGEST} characters, none of them a control character")
    if url.startswith(LOCAL):
        address = DataAddress(url, url.removeprefix(LOCAL))
        if not address.datasets or {"", ".", ".."} & set(address.path.split("/")):
            raise _bad(f"must be {LOCAL}<data set>/<sample>, without empty parts, '.' and '..'")
        return address
    scheme = next((one for one in REMOTE if url.startswith(one)), None)
    if scheme is None or len(url) == len(scheme):
        raise _bad(f"must begin with {LOCAL} or one of {', '.join(REMOTE)}")
    return DataAddress(url)


def of_sample(dataset: str, key: str) -> str:
    """The address of a sample that was given none."""
    return f"{LOCAL}{dataset}/{key}"


def shows_itself(data: Any) -> bool:
    """Whether a sample is a picture though nobody said so: a picture's file in a bucket was, in 2019."""
    url = data.get("url") if isinstance(data, dict) else None
    return isinstance(url, str) and url.startswith(("gs://", "az://")) and url.lower().endswith(_PICTURES)


def _bad(what: str) -> Problem:
    return Problem(400, "bad_url", f"the data's URL {what}")
