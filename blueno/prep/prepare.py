"""One attempt at one work: look, guard, fetch, pack, seal. Called by blueno/prep/__main__.py and bench/.

`prepare` never raises but for Stopped: whatever happens becomes an Outcome. Heavy imports (numpy, pyarrow, the sources)
come after the look at `works/<hash>.json`, so that an attempt that finds its work done answers in well under a second.
"""

from __future__ import annotations

import errno
import logging
import shutil
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from blueno.data.files import free_and_capacity, make_directory, remove_tree
from blueno.data.volume import Pointer, Volume
from blueno.prep.config import PrepConfig
from blueno.prep.failure import PrepFailure, Stopped, from_error
from blueno.prep.guard import can_be_written, check_owner, take_ownership
from blueno.prep.leftovers import clear_leftovers
from blueno.prep.probe import probe
from blueno.prep.progress import Progressing, Reporter
from blueno.prep.sealed import find_sealed, point, verify_files
from blueno.prep.space import GiveWay, Space
from blueno.resources.outcome import Outcome
from blueno.resources.work import FORMAT_VERSION, Work

if TYPE_CHECKING:
    from blueno.data.manifest import Manifest
    from blueno.prep.badcount import BadCount

log = logging.getLogger("blueno.prep")

UPLOAD = "upload"  # the source that has nothing but what people add
MAX_OVERTAKEN = 20  # times that samples are read again because of purges

CLEARING_TRIES = 3
STAGING_KEPT = 7 * 24 * 3600.0  # seconds an unused staging directory stays


class Attempt:
    """What `prepare` does, with what it knows so far: the outcome of a failure needs the counts."""

    def __init__(self, config: PrepConfig) -> None:
        self.config = config
        self.volume = Volume(config.root)
        self.progress = Progressing()
        self.space = Space(config, self.progress)
        self.bad: BadCount | None = None

    def run(self) -> Outcome:
        """Prepares, or finds the work done. Raises PrepFailure, OSError, InvalidSpec, Stopped."""
        work = self._work()
        owned = check_owner(self.config, self.volume)
        found = self.space.patiently(lambda: find_sealed(self.config, self.volume, work, owned), "the version")
        if found is not None:
            log.info("work %s is sealed as %s already", work.hash, found[0].digest[:16])
            return self._sealed(*found)
        self.space.patiently(lambda: take_ownership(self.config, self.volume), "the data set")
        self._clear_old_staging(work)
        if UPLOAD in work.source:
            settled = self.space.patiently(lambda: self._without_packing(work), "the version")
            if settled is not None:
                return settled
        try:
            return self._sealed(*self._prepare_in_turn(work))
        except Exception:
            # Another attempt may have sealed and cleared staging away under us.
            found = find_sealed(self.config, self.volume, work, True)
            if found is None:
                raise
            return self._sealed(*found)

    def _without_packing(self, work: Work) -> Outcome | None:
        """What an `upload` source comes to when nothing was added, or nothing that is not sealed already.

        Its first work only opens the volume: samples are sealed when somebody asks for it, not before.
        """
        from blueno.prep.added import read_added

        added = read_added(self.volume.root) if work.requested_at is not None else None
        if added is None or not added.samples:
            log.info("the volume is ready for samples; there is nothing to seal")
            free, capacity = free_and_capacity(self.volume.root)
            return Outcome(sealed=False, opened=True, writable=True, capacity_bytes=capacity, free_bytes=free)
        before = self.volume.sealed_with(work.base, added.state)
        manifest = None if before is None else verify_files(self.volume, before.digest)
        if manifest is None or manifest.bad_samples.get("count"):  # those may be understood by now
            return None
        log.info("these samples are sealed as %s already", manifest.digest[:16])
        return self._sealed(point(self.volume, work, manifest, self.config.tag, added.state), manifest)

    def _work(self) -> Work:
        work = self.config.work
        if work is None:
            raise PrepFailure("InvalidSpec", "BLUENO_WORK is not set: there is nothing to prepare")
        if work.format_version != FORMAT_VERSION:
            text = f"this image prepares format {FORMAT_VERSION}, the work asks for {work.format_version}"
            raise PrepFailure("PrepFailed", f"{text}: use the image of the operator's own version")
        return work

    def _prepare_in_turn(self, work: Work) -> tuple[Pointer, Manifest]:
        """Whatever fills the volume, wherever: the work is gone through again, what is finished is only counted."""
        from blueno.prep.added import Overtaken

        tries = 0
        while True:
            try:
                return self.space.patiently(lambda: self._prepare(work), "the data set")
            except GiveWay:
                self.space.give_way()
            except Overtaken as error:
                tries += 1
                log.info("samples were purged meanwhile (%s): reading them again", error)
                if tries == MAX_OVERTAKEN:
                    text = (
                        f"samples were purged {tries} times while they were being sealed: ask again when that is over"
                    )
                    raise PrepFailure("PrepFailed", text) from error

    def _prepare(self, work: Work) -> tuple[Pointer, Manifest]:
        from blueno.prep.added import read_added, with_added
        from blueno.prep.badcount import BadCount
        from blueno.prep.pack import Packer
        from blueno.prep.reuse import Previous
        from blueno.prep.samples import Context
        from blueno.prep.seal import Sealer
        from blueno.prep.sources import open_source

        staging = self.volume.staging / work.hash
        make_directory(staging)
        with suppress(OSError):
            staging.touch()
        context = Context(self.config, work, staging, self.progress, self.space)
        self.progress.start_over()
        bad = self.bad = BadCount(self.config.options)
        self.progress.enter("Downloading")
        reading = self.space.patiently(lambda: open_source(context), "the source")
        if UPLOAD not in work.source:
            reading = with_added(reading, read_added(self.volume.root))
        self.progress.samples_total = reading.total
        finished = sum(f.stat().st_size for f in staging.glob("shards/*") if f.suffix in (".arrow", ".npy"))
        if reading.total_bytes:
            self.space.kept = reading.stored
            self.space.left = max(0, reading.total_bytes - reading.linked_bytes - finished)
            self.space.need(self.space.left, "the data set")
        self.progress.enter("Preparing")
        records = Packer(context, reading, bad, Previous.of(self.volume)).run()
        self.progress.enter("Publishing")
        self.space.left = 0
        sealer = Sealer(context, self.volume, reading, bad)
        return self.space.patiently(lambda: sealer.seal(records), "the version")

    def _sealed(self, pointer: Pointer, manifest: Manifest) -> Outcome:
        from blueno.data.shapes import shape_text

        self._clear_staging_of(pointer.work)
        writable = can_be_written(self.config, self.volume)
        clear_leftovers(self.config, pointer.work)
        free, capacity = free_and_capacity(self.volume.root)
        bad = manifest.bad_samples
        return Outcome(
            sealed=True,
            digest=pointer.digest,
            sequence=pointer.sequence,
            samples=manifest.samples,
            bytes=manifest.bytes,
            sealed_at=pointer.sealed_at,
            splits=manifest.splits,
            classes=len(manifest.classes),
            shapes=tuple(shape_text(s) for s in manifest.shapes[:8]),
            bad_samples=int(bad.get("count", 0)),
            bad_first=tuple((str(b["key"]), str(b["code"])) for b in bad.get("first", [])[:5]),
            capacity_bytes=capacity,
            free_bytes=free,
            writable=writable,
            revision=pointer.added.revision,
        )

    def failed(self, failure: PrepFailure) -> Outcome:
        """The outcome that a failure stands for."""
        capacity = free = 0
        with suppress(OSError):
            free, capacity = free_and_capacity(self.config.volume)
        return Outcome(
            sealed=False,
            code=failure.code,
            message=str(failure),
            permanent=failure.permanent,
            owner=failure.owner,
            bad_samples=self.bad.count if self.bad else 0,
            bad_first=tuple(self.bad.first[:5]) if self.bad else (),
            capacity_bytes=capacity,
            free_bytes=free,
        )

    def blame(self, error: Exception) -> Exception:
        """An I/O error may be the source's or the volume's: if the volume cannot be written now, it is that."""
        if isinstance(error, OSError) and error.errno == errno.EIO:
            try:
                probe(self.volume.root, self.config.tag)
            except OSError as found:
                return error if found.errno == errno.ENOENT else found
        return error

    def _clear_staging_of(self, work: str) -> None:
        """What this attempt has linked into the version, or another one left that was overtaken or killed.

        Nobody comes back to a work that is sealed: an error that passes must not leave its files for ever.
        """
        for _ in range(CLEARING_TRIES):
            with suppress(OSError):
                remove_tree(self.volume.staging / work)
                return

    def _clear_old_staging(self, work: Work) -> None:
        limit = time.time() - STAGING_KEPT
        for directory in self.volume.staging.iterdir():
            if directory.name != work.hash and directory.stat().st_mtime < limit:
                shutil.rmtree(directory, ignore_errors=True)


def prepare(config: PrepConfig) -> Outcome:
    """Seals the work of `config`, or says why not. Raises nothing but Stopped (SIGTERM)."""
    attempt = Attempt(config)
    reporter = Reporter(config, config.work.hash if config.work else "", attempt.progress)
    reporter.start()
    try:
        return attempt.run()
    except Exception as error:
        failure = from_error(attempt.blame(error), config.root)
        if failure.code == "PrepFailed":
            log.exception("preparation failed")
        return attempt.failed(failure)
    except Stopped:
        text = "stopped by SIGTERM; finished shards are kept and the next attempt continues from them"
        return attempt.failed(PrepFailure("PrepFailed", text))
    finally:
        reporter.close()
        attempt.space.close()
