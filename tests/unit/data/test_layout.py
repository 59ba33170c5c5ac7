"""From names to samples."""

from __future__ import annotations

import pytest

from blueno.data.badsample import BadSampleCode
from blueno.data.layout import may_be_dicom, named_in, place, series_name, slices_by_folder, wrapping_folder
from blueno.errors import InvalidSpec

CLASSES = ["cat/1.png", "cat/2.PNG", "dog/deep/3.jpg"]
SPLITS = ["train/cat/1.png", "test/cat/2.png", "val/dog/3.png"]


def found(paths: list[str], kind: str = "auto", text: str | None = None, **layout: object) -> list[tuple[object, ...]]:
    placement = place(paths, {"type": kind, **layout}, text)
    return [(s.key, s.split, s.label) for s in placement.samples]


@pytest.mark.parametrize(
    ("paths", "kind"),
    [
        (CLASSES, "classFolders"),
        (SPLITS, "splitClassFolders"),
        (["1.png", "2.png"], "flat"),
        (["1.png", "cat/2.png"], "flat"),
        (["train/1.png", "test/2.png"], "flat"),
        (["train/cat/1.png", "other/dog/2.png"], "classFolders"),
        (["labels.csv", "cat/1.png"], "csv"),
        ([], "flat"),
    ],
)
def test_auto_says_what_it_found(paths: list[str], kind: str) -> None:
    assert place(paths, {}, "path,label\ncat/1.png,x\n").type == kind


def test_class_folders() -> None:
    assert found(CLASSES) == [
        ("cat/1.png", "train", "cat"),
        ("cat/2.PNG", "train", "cat"),
        ("dog/deep/3.jpg", "train", "dog"),
    ]
    assert place(CLASSES, {}).classes == ("cat", "dog")


def test_split_class_folders_come_in_the_order_of_splits() -> None:
    assert found(SPLITS) == [
        ("train/cat/1.png", "train", "cat"),
        ("val/dog/3.png", "validation", "dog"),
        ("test/cat/2.png", "test", "cat"),
    ]


def test_flat_knows_splits_but_no_labels() -> None:
    assert found(["train/1.png", "testing/2.png"]) == [("train/1.png", "train", None), ("testing/2.png", "test", None)]


def test_noise_is_ignored_and_counted() -> None:
    noise = [
        "README.md",
        "LICENSE",
        "cat/.DS_Store",
        "__MACOSX/cat/._1.png",
        "cat/Thumbs.db",
        ".git/x.png",
        "cat/a.txt",
    ]
    placement = place([*CLASSES, *noise], {})
    assert (len(placement.samples), placement.ignored, placement.type) == (3, len(noise), "classFolders")


def test_a_picture_beside_the_class_folders_is_a_bad_sample_when_folders_are_asked_for() -> None:
    placement = place([*CLASSES, "stray.png"], {"type": "classFolders"})
    assert placement.bad == (("stray.png", BadSampleCode.MISSING_LABEL),)


@pytest.mark.parametrize(
    ("paths", "kind", "wrapper"),
    [
        (["top/cat/1.png", "top/dog/2.png", "README"], "auto", "top/"),
        (["cat/1.png", "cat/2.png"], "auto", ""),
        (["train/cat/1.png", "train/dog/2.png"], "auto", ""),
        (["top/train/cat/1.png"], "splitClassFolders", "top/"),
        (["train/cat/1.png"], "splitClassFolders", ""),
        (["cat/1.png"], "classFolders", ""),
        (["top/1.png"], "flat", "top/"),
        (["top/1.png", "top/labels.csv"], "auto", "top/"),
        (["train/1.png", "train/labels.csv"], "csv", "train/"),
        ([], "auto", ""),
    ],
)
def test_a_folder_that_only_wraps_is_left_out(paths: list[str], kind: str, wrapper: str) -> None:
    assert wrapping_folder(paths, {"type": kind}) == wrapper


CSV = "file,class,fold,site,age\na.png,cat,val,s1,7\nimg/b.png,dog,,,\n"


def test_csv_names_everything() -> None:
    columns = {"path": "file", "label": "class", "split": "fold", "group": "site"}
    placement = place(
        ["meta.csv", "a.png", "img/b.png", "c.png"], {"type": "csv", "labelsFile": "meta.csv", "columns": columns}, CSV
    )
    by_key = {s.key: s for s in placement.samples}
    a, b = by_key["a.png"], by_key["img/b.png"]
    assert (a.split, a.label, a.group, a.metadata) == ("validation", "cat", "s1", {"age": "7"})
    assert (b.split, b.label, b.group, b.metadata) == ("train", "dog", None, None)
    assert placement.ignored == 2  # the labels file and the picture it does not name


def test_csv_paths_may_be_relative_to_the_labels_file() -> None:
    text = "\ufeffpath,label\nx.png,1\n./x.png,2\nnone.png,3\n"
    placement = place(["d/l.csv", "d/x.png"], {"labelsFile": "d/l.csv"}, text)
    assert [s.key for s in placement.samples] == ["d/x.png"]
    assert [code.value for _, code in placement.bad] == ["DuplicateKey", "MissingFile"]


@pytest.mark.parametrize(
    ("layout", "text", "field"),
    [
        ({"type": "csv"}, None, "spec.layout.labelsFile"),
        ({"labelsFile": "no.csv"}, None, "spec.layout.labelsFile"),
        ({"labelsFile": "l.csv"}, "", "spec.layout.labelsFile"),
        ({"labelsFile": "l.csv"}, "a,b\n1,2\n", "spec.layout.columns.path"),
        ({"labelsFile": "l.csv", "columns": {"label": "nope"}}, "path\nx\n", "spec.layout.columns.label"),
        ({"labelsFile": "l.csv"}, "path,label\nx\n", "spec.layout.labelsFile"),
        ({"labelsFile": "l.csv"}, 'path\n"x', "spec.layout.labelsFile"),
        ({"type": "tree"}, None, "spec.layout.type"),
    ],
)
def test_a_layout_that_cannot_hold_names_the_field(layout: dict[str, object], text: str | None, field: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        place(["l.csv", "x.png"], layout, text)
    assert caught.value.field == field


def test_tabs_by_the_ending() -> None:
    assert found(["l.tsv", "x.png"], "csv", "path\tlabel\nx.png\tcat\n", labelsFile="l.tsv") == [
        ("x.png", "train", "cat")
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("IM0001", True), ("a/b/1.2.840.113", True), ("a/IM.1", True), ("a.dcm", False), ("a/README.md", False),
     ("DICOMDIR", False), (".hidden", False), ("__MACOSX/IM1", False), ("a.b/IM1", True)],
)  # fmt: skip
def test_scanners_write_files_without_an_ending(name: str, expected: bool) -> None:
    assert may_be_dicom(name) is expected


def test_slices_of_a_folder_are_found_by_ending_or_because_somebody_looked() -> None:
    paths = ["b/2.dcm", "b/1.DCM", "a/IM1", "a/IM2", "a/IM3.txt", "c/alone.dcm", "top1.ima", "top2.dicom", "b/.3.dcm"]
    assert slices_by_folder(paths, {"a/IM1", "a/IM2"}) == {
        "": ["top1.ima", "top2.dicom"],
        "a": ["a/IM1", "a/IM2"],
        "b": ["b/1.DCM", "b/2.dcm"],
    }
    assert "a" not in slices_by_folder(paths)


def test_a_series_is_called_like_its_folder_unless_others_lie_there() -> None:
    assert series_name("p/ct", "0123456789ab", is_alone=True) == "p/ct"
    assert series_name("p/ct", "0123456789ab", is_alone=False) == "p/ct/series-01234567"
    assert series_name("", "0123456789ab", is_alone=True) == "series-01234567"


def test_samples_without_an_ending_are_placed_as_all_others() -> None:
    paths = ["top/lesion/p1", "top/normal/IM7", "top/normal/notes"]
    also = {"top/lesion/p1", "top/normal/IM7"}
    assert wrapping_folder(paths, {"type": "classFolders"}, also) == "top/"
    assert wrapping_folder(paths, {"type": "classFolders"}) == "", "no sample, no folder around it"
    placement = place([path.removeprefix("top/") for path in paths], {}, also={"lesion/p1", "normal/IM7"})
    assert [(one.key, one.label) for one in placement.samples] == [("lesion/p1", "lesion"), ("normal/IM7", "normal")]
    assert (placement.type, placement.ignored) == ("classFolders", 1)


def test_what_a_labels_file_may_mean() -> None:
    text = "path,label\na/1.dcm,x\nb.nii.gz,y\n"
    assert named_in("labels.csv", text, {}) == {"a/1.dcm", "b.nii.gz"}
    assert named_in("t/labels.csv", text, {}) == {"a/1.dcm", "b.nii.gz", "t/a/1.dcm", "t/b.nii.gz"}
