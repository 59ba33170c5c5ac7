"""From file names to samples: which split and label a path stands for.

Called by blueno/prep/tree.py and sources/archive.py. Pure: it sees names and the text of a labels file, never a file.

Layouts
  classFolders        <label>/…/<file>               label = first folder
  splitClassFolders   <split>/<label>/…/<file>
  flat                <file> or <split>/…/<file>     no labels; a split only when every sample lies in a split's folder
  csv                 a labels file names the samples, their labels, splits and groups; other columns become metadata
  auto                the first of these that holds, so the same names always give the same answer:
                      1. a labels file is named, or `labels.csv` lies at the top → csv
                      2. every sample is <split>/<label>/…, the first folder being a split's name → splitClassFolders
                      3. every sample lies in a folder and not every first folder is a split's name → classFolders
                      4. else flat

Before that, the slices of a DICOM series in one folder are made one sample by blueno/prep/series.py, which reads their
headers: its name is `series_name`, and no layout sees its files. Slices that a labels file names stay samples each.

Split names: train, training → train; test, testing → test; val, valid, validation, dev, eval → validation; in an
explicit splitClassFolders any other folder is a split of its own name. Samples without a split are in `train`.
Hidden files, __MACOSX and the like, DICOMDIR, and files whose ending is not that of an image, array or volume are
ignored and counted. Scanners write DICOM files without an ending, or with digits for one: `may_be_dicom`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from blueno.data.badsample import BadSampleCode
from blueno.data.labels import parse_labels
from blueno.errors import InvalidSpec

TYPES = ("auto", "classFolders", "splitClassFolders", "flat", "csv")
DEFAULT_SPLIT = "train"
DEFAULT_LABELS_FILE = "labels.csv"
SPLITS: Mapping[str, str] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("test", "testing"), "test"),
    **dict.fromkeys(("val", "valid", "validation", "dev", "eval"), "validation"),
}
_SPLIT_ORDER = {"train": 0, "validation": 1, "test": 2}
# Endings that make a file a sample. Those we cannot decode yet are here so that they fail visibly, not silently.
SAMPLE_ENDINGS = frozenset(
    [
        *("png", "jpg", "jpeg", "jpe", "jfif", "npy", "nii", "dcm", "dicom", "ima"),
        *(
            "tif",
            "tiff",
            "webp",
            "bmp",
            "gif",
            "npz",
            "jp2",
            "avif",
            "heic",
            "ppm",
            "pgm",
            "svg",
        ),
    ]
)
DICOM_ENDINGS = frozenset(("dcm", "dicom", "ima"))
_NOISE = {"__macosx", "dicomdir", "thumbs.db", "desktop.ini", "$recycle.bin", "lost+found", "@eadir"}


@dataclass(frozen=True)
class Placed:
    """A sample's place: `path` as given to `place`, `key` its name in the data set."""

    path: str
    key: str
    split: str
    label: str | None = None
    group: str | None = None
    metadata: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Placement:
    """What `place` found, samples in (split, key) order."""

    type: str  # never "auto"
    samples: tuple[Placed, ...]
    classes: tuple[str, ...]
    ignored: int = 0
    bad: tuple[tuple[str, BadSampleCode], ...] = field(default=())


def split_rank(split: str) -> tuple[int, str]:
    """Order of splits in an index: train, validation, test, then the others by name."""
    return _SPLIT_ORDER.get(split, 3), split


def is_hidden(path: str) -> bool:
    """True for names that no person put there as data, at any depth."""
    return any((part.startswith(".") and part not in (".", "..")) or part.lower() in _NOISE for part in path.split("/"))


def is_sample(path: str) -> bool:
    """True when the ending says image, array or volume."""
    low = path.lower()
    return (low.rpartition(".")[2] in SAMPLE_ENDINGS or low.endswith(".nii.gz")) and not is_hidden(path)


def may_be_dicom(path: str) -> bool:
    """True for names that scanners give to files: their first bytes must tell."""
    name = path.rpartition("/")[2]
    return ("." not in name or name.rpartition(".")[2].isdecimal()) and not is_hidden(path)


def slices_by_folder(paths: Iterable[str], also: Collection[str] = ()) -> dict[str, list[str]]:
    """DICOM files, by their ending or in `also`, of every folder that holds two or more; "" is the top."""
    found: dict[str, list[str]] = {}
    for path in paths:
        if path in also or (path.rpartition(".")[2].lower() in DICOM_ENDINGS and not is_hidden(path)):
            found.setdefault(path.rpartition("/")[0], []).append(path)
    return {folder: sorted(files) for folder, files in sorted(found.items()) if len(files) > 1}


def series_name(folder: str, series: str, is_alone: bool) -> str:
    """The key of a series: its folder, when no other one lies there; `series` stands for its identifier."""
    if folder and is_alone:
        return folder
    return f"{folder}/series-{series[:8]}" if folder else f"series-{series[:8]}"


def find_labels_file(paths: Iterable[str], layout: Mapping[str, Any]) -> str | None:
    """The path of the labels file `place` needs, or None. Raises InvalidSpec when a named one is not there."""
    kind, wanted = layout.get("type", "auto"), layout.get("labelsFile")
    if kind not in ("auto", "csv"):
        return None
    known = set(paths)
    if wanted:
        if wanted not in known:
            raise InvalidSpec("spec.layout.labelsFile", f"{wanted!r} is not among the {len(known)} files of the source")
        return str(wanted)
    if DEFAULT_LABELS_FILE in known:
        return DEFAULT_LABELS_FILE
    if kind == "csv":
        raise InvalidSpec(
            "spec.layout.labelsFile", f"layout csv needs a labels file; there is no {DEFAULT_LABELS_FILE!r} at the top"
        )
    return None


def wrapping_folder(paths: Iterable[str], layout: Mapping[str, Any], also: Collection[str] = ()) -> str:
    """`"folder/"` when one top folder that means nothing wraps all samples of an archive, else `""`.

    `also`: paths that are samples whatever their ending. The folder means something when it is a split's name, or when
    without it no class folder would be left.
    """
    samples = [p for p in paths if is_sample(p) or p in also]
    tops = {p.partition("/")[0] for p in samples}
    if len(tops) != 1 or any("/" not in p for p in samples):
        return ""
    top = tops.pop()
    inner = [p.partition("/")[2] for p in samples]
    kind = layout.get("type", "auto")
    if top.lower() in SPLITS and kind != "csv":
        return ""
    folders_needed = {"classFolders": 1, "splitClassFolders": 2}.get(kind, 0)
    if any(p.count("/") < folders_needed for p in inner):
        return ""
    if kind == "auto" and not any("/" in p for p in inner) and f"{top}/{DEFAULT_LABELS_FILE}" not in set(paths):
        return ""  # one folder of images is one class, not a wrapper
    return f"{top}/"


def place(
    paths: Sequence[str], layout: Mapping[str, Any], labels_text: str | None = None, also: Collection[str] = ()
) -> Placement:
    """Places every path. `labels_text` is the content of the file that `find_labels_file` named.

    `also`: paths that are samples whatever their ending. Raises InvalidSpec when the layout cannot hold for them.
    """
    kind = layout.get("type", "auto")
    if kind not in TYPES:
        raise InvalidSpec("spec.layout.type", f"{kind!r} is none of {', '.join(TYPES)}")
    labels_file = find_labels_file(paths, layout)
    if labels_file is not None:
        return _place_csv(paths, layout, labels_file, labels_text or "")
    samples = sorted({p for p in paths if is_sample(p) or p in also})
    twins = len(paths) - len(set(paths))
    ignored = len(paths) - twins - len(samples)
    if kind == "auto":
        kind = _guess(samples)
    placed, bad = _place_folders(kind, samples)
    ordered = tuple(sorted(placed, key=lambda s: (split_rank(s.split), s.key)))
    classes = tuple(sorted({s.label for s in ordered if s.label is not None}))
    return Placement(kind, ordered, classes, ignored, tuple(bad))


def named_in(labels_file: str, text: str, layout: Mapping[str, Any]) -> set[str]:
    """The paths that a labels file names, as they may be meant. Raises InvalidSpec."""
    folder = labels_file.rpartition("/")[0]
    names = {row.path for row in parse_labels(text, labels_file, layout.get("columns") or {})}
    return names | ({f"{folder}/{name}" for name in names} if folder else set())


def _guess(samples: Sequence[str]) -> str:
    if not samples or any("/" not in p for p in samples):
        return "flat"
    in_splits = all(p.partition("/")[0].lower() in SPLITS for p in samples)
    if not in_splits:
        return "classFolders"
    return "splitClassFolders" if all(p.count("/") >= 2 for p in samples) else "flat"


def _place_folders(kind: str, samples: Sequence[str]) -> tuple[list[Placed], list[tuple[str, BadSampleCode]]]:
    placed: list[Placed] = []
    bad: list[tuple[str, BadSampleCode]] = []
    split_folders = kind == "flat" and all(p.partition("/")[0].lower() in SPLITS and "/" in p for p in samples)
    for path in samples:
        parts = path.split("/")
        if kind == "flat":
            placed.append(Placed(path, path, SPLITS[parts[0].lower()] if split_folders else DEFAULT_SPLIT))
        elif kind == "classFolders" and len(parts) >= 2:
            placed.append(Placed(path, path, DEFAULT_SPLIT, parts[0]))
        elif kind == "splitClassFolders" and len(parts) >= 3:
            placed.append(Placed(path, path, SPLITS.get(parts[0].lower(), parts[0]), parts[1]))
        else:
            bad.append((path, BadSampleCode.MISSING_LABEL))
    return placed, bad


def _place_csv(paths: Sequence[str], layout: Mapping[str, Any], labels_file: str, text: str) -> Placement:
    rows = parse_labels(text, labels_file, layout.get("columns") or {})
    known = set(paths)
    folder = labels_file.rpartition("/")[0]
    placed: dict[str, Placed] = {}
    bad: list[tuple[str, BadSampleCode]] = []
    for row in rows:
        beside = f"{folder}/{row.path}" if folder else row.path
        path = beside if beside in known else row.path
        if path not in known or path == labels_file:
            bad.append((row.path, BadSampleCode.MISSING_FILE))
        elif path in placed:
            bad.append((path, BadSampleCode.DUPLICATE_KEY))
        else:
            split = SPLITS.get((row.split or DEFAULT_SPLIT).lower(), row.split or DEFAULT_SPLIT)
            placed[path] = Placed(path, path, split, row.label, row.group, row.metadata)
    ordered = tuple(sorted(placed.values(), key=lambda s: (split_rank(s.split), s.key)))
    classes = tuple(sorted({s.label for s in ordered if s.label is not None}))
    return Placement("csv", ordered, classes, len(known) - len(ordered), tuple(bad))
