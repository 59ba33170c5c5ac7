"""The download manager that TFDS's builders get from us. Called by sources/tfds.py, calls fetch.py and archives.py.

Files are fetched by our own downloader (resumed, checked addresses, progress) and always compared with the sums that
TFDS registers for the builder; a mirror is asked before the builder's own URLs.
"""

from __future__ import annotations

import hashlib
import io
import logging
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from blueno.data.badsample import BadSample
from blueno.data.files import file_sha256, make_directory
from blueno.errors import InvalidSpec
from blueno.prep.archives import BadArchive, Members, members_of, safe_name
from blueno.prep.failure import PrepFailure
from blueno.prep.fetch import Fetched, Fetcher, Wanted
from blueno.prep.local import local_file
from blueno.prep.net import display
from blueno.prep.samples import Context

log = logging.getLogger("blueno.prep")


@dataclass(frozen=True)
class Sum:
    """What TFDS registers about a URL."""

    sha256: str
    filename: str


def read_sums(path: Path) -> dict[str, Sum]:
    """URL → Sum, out of TFDS's table: URL, size, sha256 and, in newer lines, a file name, separated by tabs."""
    sums = {}
    if path.is_file():
        for line in path.read_text().splitlines():
            parts = line.split("\t") if "\t" in line else line.rsplit(" ", 2)
            if len(parts) >= 3:
                sums[parts[0]] = Sum(parts[2], parts[3] if len(parts) > 3 else "")
    return sums


@dataclass
class DownloadManager:
    """What builders call `dl_manager`: the part of its interface that they use."""

    context: Context
    builder: str
    sums: Mapping[str, Sum]
    mirror: Mapping[str, Any]
    used: list[dict[str, Any]] = field(default_factory=list)  # for the manifest

    def __post_init__(self) -> None:
        self._fetcher = Fetcher(self.context)
        self._fetched: dict[str, Fetched] = {}
        self._extracted = self.context.staging / f"extracted-{self.context.tag}"
        shutil.rmtree(self._extracted, ignore_errors=True)  # only what this attempt extracted is known to be whole
        make_directory(self._extracted)

    @property
    def download_dir(self) -> Path:
        return self._fetcher.folder

    @property
    def manual_dir(self) -> Path:
        raise InvalidSpec(
            "spec.source.tfds.name",
            f"the builder {self.builder!r} wants files fetched by hand: use an archive or claim source",
        )

    def download(self, urls: Any) -> Any:
        """Paths in the structure of `urls` (text, dict, list …)."""
        return _map(urls, lambda url: self._download(url).path)

    def extract(self, paths: Any) -> Any:
        """Paths of the extracted directories (tar, zip) or files (gz, bz2, xz)."""
        return _map(paths, lambda path: self._extract(Path(getattr(path, "path", None) or path)))

    def download_and_extract(self, urls: Any) -> Any:
        """`download`, then `extract`."""
        return _map(urls, lambda url: self._extract(self._download(url).path))

    def download_checksums(self, _url: str) -> None:
        """Builders call it to register sums at run time; ours come with TFDS."""

    def iter_archive(self, path: Any) -> Iterator[tuple[str, io.BytesIO]]:
        """(name, file) of each member, in the archive's order."""
        for name, entry in self._members(Path(getattr(path, "path", None) or path)).entries.items():
            yield name, io.BytesIO(entry.read())

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        text = f"the builder {self.builder!r} uses dl_manager.{name}, which is not offered here"
        raise InvalidSpec("spec.source.tfds.name", f"{text}: use an archive or claim source")

    def _download(self, resource: Any) -> Fetched:
        url = str(getattr(resource, "url", None) or resource)
        if url not in self._fetched:
            fetched = self._fetch(url)
            self._fetched[url] = fetched
            self.used.append({"url": display(url), "bytes": fetched.bytes, "sha256": fetched.sha256})
        return self._fetched[url]

    def _fetch(self, url: str) -> Fetched:
        known = self.sums.get(url)
        file_name = unquote(urlsplit(url).path.rpartition("/")[2]) or (known.filename if known else "")
        name = f"tfds-{hashlib.sha256(url.encode()).hexdigest()[:16]}"
        if self.mirror:
            sha256 = "" if self.mirror.get("allowUnverified") else self._sum(url)
            wanted = Wanted(f"{str(self.mirror['url']).rstrip('/')}/{file_name}", name, sha256)
            try:
                return self._local(wanted) if wanted.url.startswith("file:") else self._fetcher.fetch(wanted)
            except PrepFailure as error:
                if error.code != "SourceNotFound":
                    raise
                log.warning("not on the mirror (%s), trying %s", error, display(url))
        return self._fetcher.fetch(Wanted(url, name, self._sum(url)))

    def _sum(self, url: str) -> str:
        if url not in self.sums:
            raise InvalidSpec(
                "spec.source.tfds.mirror",
                f"TFDS registers no sha256 for {display(url)}: only a mirror with allowUnverified can be used",
            )
        return self.sums[url].sha256

    def _local(self, wanted: Wanted) -> Fetched:
        path = local_file(wanted.url, self.context.config.volume)
        sha256 = file_sha256(path)
        if wanted.sha256 and sha256 != wanted.sha256:
            raise PrepFailure(
                "ChecksumMismatch",
                f"{wanted.url} has sha256 {sha256}, TFDS registers {wanted.sha256}: repair the mirror",
            )
        return Fetched(path, wanted.url, path.stat().st_size, sha256)

    def _members(self, path: Path) -> Members:
        scratch = self._extracted / f"{path.name}.tar"
        try:
            return members_of(path, scratch, self.context.tag)
        except BadArchive as error:
            raise PrepFailure("SourceNotFound", f"{path.name} is no usable archive: {error}") from error

    def _extract(self, path: Path) -> Path:
        try:
            members = members_of(path, self._extracted / f"{path.name}.plain", self.context.tag)
        except BadArchive as error:
            plain = self._extracted / f"{path.name}.plain"
            if plain.exists():
                return plain  # a single compressed file, like MNIST's .gz
            raise PrepFailure("SourceNotFound", f"{path.name} is no usable archive: {error}") from error
        folder = self._extracted / f"{path.name}.d"
        for name, entry in members.entries.items():
            assert safe_name(name)  # noqa: S101 - members_of refuses all others
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                target.write_bytes(entry.read())
            except BadSample as error:
                raise PrepFailure("SourceNotFound", f"{path.name}: the member {name} is damaged: {error}") from error
        for name, code in members.bad:
            log.warning("%s: member %r is left out: %s", path.name, name, code.value)
        return folder


def _map(structure: Any, function: Callable[[Any], Any]) -> Any:
    if isinstance(structure, dict):
        return {key: _map(value, function) for key, value in structure.items()}
    if isinstance(structure, (list, tuple)) and not hasattr(structure, "_fields"):
        return type(structure)(_map(value, function) for value in structure)
    return function(structure)
