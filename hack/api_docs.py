#!/usr/bin/env python3
"""Writes docs/api.md from crds/*.yaml and blueno/resources/reasons.py; with --check only says whether it is stale.

Run by `make golden` and (with --check) by `make check`. Calls nothing else.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

# After the path is set: this runs without an installation.
from blueno.resources.reasons import DATASET_REASONS, ReasonDoc  # noqa: E402
from blueno.resources.run_reasons import RUN_REASONS  # noqa: E402
from blueno.resources.sample_reasons import SAMPLE_REASONS  # noqa: E402

Schema = Mapping[str, Any]

INTRO = """\
# Custom resources

Made by `hack/api_docs.py` from `crds/` and `blueno/resources/reasons.py`: do not edit, run `make golden`.
The same texts are in the cluster: `kubectl explain dataset.spec --recursive`.

General rules:

- Blueno never writes into `spec`, so `kubectl diff` is empty right after `kubectl apply`.
- `kubectl wait --for=condition=Ready dataset/NAME` waits until a version can be used; with source `upload`, until
  samples can be uploaded.
- Tools that wait by themselves (`helm --wait`, GitOps controllers) read `Reconciling` and `Stalled`: `Stalled` is True
  when a person must act first.
- To ask again without changing the spec, set an annotation to the time:
  `kubectl annotate dataset NAME --overwrite blueno.dev/requested-at=$(date -u +%FT%TZ)`.
  While stalled this tries the same work again with what was done so far; otherwise the source is read again, and the
  samples that people have added are sealed with it into a new version.
  Once acted on, the value stands in `status.lastHandledRequest`.
"""

REASONS_INTRO = """\
The reason of the `Ready` condition, and the STATUS column of `kubectl get datasets`. More may come; none is renamed.
**Stalled**: nothing goes on until a person acts (while retries are left the reason may show with `Reconciling` True).
**Heals**: Blueno goes on or looks again by itself, with growing pauses.
A data set that is Available stays Ready while a newer version of it is prepared or fails; `Reconciling` or `Stalled`
then carry one of these reasons.
"""

RUN_REASONS_INTRO = """\
The reason of the `Succeeded` condition, and the STATUS column of `kubectl get trainingruns`. More may come; none is
renamed. **Stalled**: the run is over and has failed. **Heals**: it goes on by itself.
"""

SAMPLE_REASONS_INTRO = """\
The reason of the `Ready` condition, and the STATUS column of `kubectl get samples`. More may come; none is renamed.
**Stalled**: nothing goes on until a person acts. **Heals**: Blueno tries again by itself, with growing pauses. What all
Samples of a data set wait for is said by the first ten in line; the others are `Pending`.
"""

REASONS: Mapping[str, tuple[str, Mapping[Any, ReasonDoc]]] = {
    "Dataset": (REASONS_INTRO, DATASET_REASONS),
    "Sample": (SAMPLE_REASONS_INTRO, SAMPLE_REASONS),
    "TrainingRun": (RUN_REASONS_INTRO, RUN_REASONS),
}


def cell(text: str) -> str:
    """`text` fit for one cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


def table(heads: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    lines += ["| " + " | ".join(cell(text) for text in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def type_text(schema: Schema) -> str:
    """Type and bounds in a few words."""
    if "enum" in schema:
        return " | ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("x-kubernetes-int-or-string"):
        return "quantity"
    kind: str = schema.get("type", "any JSON")
    if kind == "string":
        return "time" if schema.get("format") == "date-time" else f"text ≤ {schema['maxLength']}"
    if kind == "integer":
        return f"number {schema['minimum']} – {schema['maximum']}" if "maximum" in schema else "number"
    if kind == "array":
        return f"list ≤ {schema['maxItems']}"
    if kind == "object" and "maxProperties" in schema:
        return f"map ≤ {schema['maxProperties']}"
    return kind


def fields(schema: Schema, path: str, required: bool = False) -> Iterator[tuple[str, ...]]:
    """One row for each field below `path`, in the schema's order."""
    default = f"`{schema['default']}`".lower() if isinstance(schema.get("default"), bool) else ""
    default = default or (f"`{schema['default']}`" if isinstance(schema.get("default"), str | int) else "")
    name = f"`{path}`" + (" (required)" if required else "")
    yield name, type_text(schema), default, schema.get("description", "")
    below = schema.get("items", schema)
    suffix = "[]" if "items" in schema else ""
    for key, child in below.get("properties", {}).items():
        yield from fields(child, f"{path}{suffix}.{key}", key in below.get("required", ()))


def rules(schema: Schema, path: str) -> Iterator[tuple[str, ...]]:
    """One row for each CEL rule: where, and what it says when it refuses."""
    for rule in schema.get("x-kubernetes-validations", ()):
        yield (f"`{path}`" if path else "the object"), rule["message"]
    for key, child in schema.get("properties", {}).items():
        yield from rules(child, f"{path}.{key}".lstrip("."))
    if "items" in schema:
        yield from rules(schema["items"], f"{path}[]")


def columns(version: Schema) -> Iterator[tuple[str, ...]]:
    """One row for each column of `kubectl get`."""
    for column in version["additionalPrinterColumns"]:
        yield column["name"].upper(), "`-o wide` only" if column.get("priority") else "", column["description"]


def reasons(known: Mapping[Any, ReasonDoc]) -> Iterator[tuple[str, ...]]:
    """One row for each reason of a kind."""
    for reason, doc in known.items():
        kind = "stalled" if doc.stalled else "heals" if doc.healable else ""
        yield f"`{reason}`", kind, doc.meaning


def kind_page(crd: Schema) -> str:
    """The chapter about one custom resource."""
    spec = crd["spec"]
    names, version = spec["names"], spec["versions"][0]
    root = version["schema"]["openAPIV3Schema"]
    heads = ("field", "type", "default", "meaning")
    parts = [
        f"## {names['kind']}\n\n{root['description']}\n",
        f"`apiVersion: {spec['group']}/{version['name']}`, `kind: {names['kind']}`; `kubectl get {names['plural']}`, "
        f"short `{names['shortNames'][0]}`, in full `{names['plural']}.{spec['group']}`; namespaced.\n",
        f"### Columns of `kubectl get {names['plural']}`\n\n{table(('column', '', 'shows'), columns(version))}",
        f"### Spec\n\n{table(heads, fields(root['properties']['spec'], 'spec'))}",
        "### What the API server refuses\n\n" + table(("where", "why"), rules(root, "")),
        f"### Status\n\n{table(heads, fields(root['properties']['status'], 'status'))}",
    ]
    if names["kind"] in REASONS:
        intro, known = REASONS[names["kind"]]
        parts.append(f"### Reasons\n\n{intro}\n{table(('reason', '', 'meaning, and what to do'), reasons(known))}")
    return "\n".join(parts)


def render(root: Path = ROOT) -> str:
    """The whole page."""
    crds = [yaml.safe_load(file.read_text()) for file in sorted((root / "crds").glob("*.yaml"))]
    return "\n".join([INTRO, *(kind_page(crd) for crd in crds)])


def main(arguments: list[str], root: Path = ROOT) -> int:
    """Writes the page, or with --check returns 1 when it is stale."""
    page, target = render(root), root / "docs" / "api.md"
    if "--check" not in arguments:
        target.parent.mkdir(exist_ok=True)
        target.write_text(page)
        return 0
    if target.is_file() and target.read_text() == page:
        return 0
    print("docs/api.md is stale: run `make golden`")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
