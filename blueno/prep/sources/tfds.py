"""`source.tfds`: a builder of TensorFlow Datasets as catalogue and parser, without TensorFlow.

The builder's own `_split_generators` and `_generate_examples` are called (private methods of TFDS 4.9.10, proven for
mnist and cifar10 by tests), its files come through our download manager, its samples go straight into shards.

A sample's label is the name of its class, as with class folders, and the manifest's `classes` has the names in the
builder's order; so `ds.labels` are the builder's own numbers. Further plain features become metadata.
"""

from __future__ import annotations

import difflib
import functools
import importlib.resources.abc
import inspect
import itertools
import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from blueno.data.layout import split_rank
from blueno.errors import InvalidSpec
from blueno.prep.failure import PrepFailure
from blueno.prep.net import display
from blueno.prep.samples import Context, Reading, Sample
from blueno.prep.tfds_downloads import DownloadManager, read_sums
from blueno.prep.tfds_examples import Features, samples_of
from blueno.prep.tfds_tensorflow import install, needs_tensorflow

log = logging.getLogger("blueno.prep")


def read(spec: Mapping[str, Any], context: Context) -> Reading:
    """Fetches the builder's files and opens its generators. Raises InvalidSpec, PrepFailure, OSError."""
    name = str(spec.get("name", ""))
    builder = _builder(name, spec, context)
    reading: Reading = _guarded(name, lambda: _read(name, builder, spec, context))
    return reading


def _read(name: str, builder: Any, spec: Mapping[str, Any], context: Context) -> Reading:
    manager = DownloadManager(context, name, read_sums(_sums_path(type(builder))), spec.get("mirror") or {})
    splits = _chosen(name, _split_generators(name, builder, manager), spec.get("splits"))
    features = Features.of(name, builder.info)
    limit = spec.get("maxSamplesPerSplit")

    def examples(split: str) -> Iterator[tuple[Any, Any]]:
        generated = iter(splits[split]())
        while True:
            try:
                pair = _guarded(name, lambda: next(generated))
            except StopIteration:
                return
            yield pair

    def samples() -> Iterator[Sample]:
        for split in sorted(splits, key=split_rank):
            yield from samples_of(split, itertools.islice(examples(split), limit), features)

    stream = samples()
    first = next(stream, None)
    if first is None:
        raise PrepFailure("SourceNotFound", f"the builder {name!r} yields no samples")
    import tensorflow_datasets

    revision = {
        "builder": name,
        "config": builder.builder_config.name if builder.builder_config else None,
        "version": str(builder.version),
        "tfds": tensorflow_datasets.__version__,
        "files": manager.used,
    }
    if spec.get("mirror"):
        revision["mirror"] = display(str(spec["mirror"].get("url", "")))
    return Reading(
        samples=itertools.chain([first], stream),
        revision={"tfds": revision},
        total=limit * len(splits) if limit else 0,
        classes=features.classes,
    )


def _builder(name: str, spec: Mapping[str, Any], context: Context) -> Any:
    # Else TFDS asks a cloud metadata server whether it runs in Google's cloud, and waits for the answer.
    os.environ["NO_GCE_CHECK"] = "true"
    # TFDS asks for this backport without requiring it; the standard library has had the same since Python 3.11.
    sys.modules.setdefault("importlib_resources", importlib.resources)
    import tensorflow_datasets as tfds

    try:
        found = tfds.builder_cls(name)
    except (tfds.core.DatasetNotFoundError, ValueError) as error:
        names = tfds.list_builders(with_community_datasets=False)  # the community's list would be read from the network
        raise _not_found("data set", name, names) from error
    except ImportError as error:
        raise needs_tensorflow(name, str(error)[:200]) from error
    install(name)
    arguments: dict[str, Any] = {"data_dir": os.fspath(context.staging / "tfds")}
    config, version = spec.get("config"), spec.get("version")
    if config:
        if config not in found.builder_configs:
            raise _not_found(f"config of {name}", str(config), list(found.builder_configs))
        arguments["config"] = str(config)
    if version:
        arguments["version"] = str(version)
    try:
        return _guarded(name, lambda: found(**arguments))
    except AssertionError as error:  # how TFDS refuses a version
        known = [str(v) for v in (found.VERSION, *(found.SUPPORTED_VERSIONS or [])) if v]
        raise _not_found(f"version of {name}", str(version), known) from error


def _not_found(what: str, name: str, known: list[str]) -> PrepFailure:
    near = difflib.get_close_matches(name, known, 3, 0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known[:20]) or 'none'}"
    return PrepFailure("SourceNotFound", f"TFDS has no {what} {name[:100]!r}: {hint}")


def _guarded(name: str, step: Callable[[], Any]) -> Any:
    """Runs a builder's code; a package that is missing is named, TensorFlow above all."""
    try:
        return step()
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing.startswith("tensorflow"):
            raise needs_tensorflow(name, str(error)) from error
        text = f"the builder {name!r} needs the Python package {missing!r}, which this image does not have"
        raise InvalidSpec("spec.source.tfds.name", f"{text}: use an archive or claim source") from error


def _sums_path(builder: Any) -> Path:
    """Where TFDS keeps a builder's sums: beside its module, or in the table of the older ones."""
    beside = Path(inspect.getfile(builder)).parent / "checksums.tsv"
    if beside.is_file():
        return beside
    return Path(sys.modules["tensorflow_datasets"].__file__ or "").parent / "url_checksums" / f"{builder.name}.txt"


def _split_generators(name: str, builder: Any, manager: DownloadManager) -> dict[str, Callable[[], Iterable[Any]]]:
    """Split → how to begin its examples."""
    if "pipeline" in inspect.signature(builder._split_generators).parameters:
        raise InvalidSpec(
            "spec.source.tfds.name", f"the builder {name!r} needs Apache Beam: use an archive or claim source"
        )
    made = builder._split_generators(manager)
    found: dict[str, Callable[[], Iterable[Any]]] = {}
    if isinstance(made, dict):
        for split, examples in made.items():
            found[str(split)] = functools.partial(_pairs, examples)
    else:
        for one in made:
            found[str(one.name)] = functools.partial(_generate, builder, one.gen_kwargs)
    return found


def _generate(builder: Any, arguments: Mapping[str, Any]) -> Iterable[Any]:
    return _pairs(builder._generate_examples(**arguments))


def _pairs(examples: Any) -> Iterable[Any]:
    if isinstance(examples, dict):
        return examples.items()
    if not isinstance(examples, Iterable):
        raise InvalidSpec("spec.source.tfds.name", "the builder needs Apache Beam: use an archive or claim source")
    return examples


def _chosen(
    name: str, splits: dict[str, Callable[[], Iterable[Any]]], wanted: list[str] | None
) -> dict[str, Callable[[], Iterable[Any]]]:
    for split in wanted or []:
        if split not in splits:
            raise _not_found(f"split of {name}", split, list(splits))
    return {split: splits[split] for split in wanted} if wanted else splits
