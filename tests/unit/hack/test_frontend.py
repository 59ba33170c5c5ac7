"""The front end is built when something changed, and only then; what fails says why. Node itself runs in
`hack/frontend check`.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from clusterlib import frontend
from clusterlib.errors import Refused


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Sources of a front end, and a log of what was run in place of Node: `ran`."""
    sources, static = tmp_path / "frontend", tmp_path / "static"
    (sources / "src").mkdir(parents=True)
    (sources / "src" / "main.ts").write_text("export {};")
    for name in ("package.json", "package-lock.json", ".npmrc"):
        (sources / name).write_text("{}")
    modules = sources / "node_modules"
    monkeypatch.setenv("BLUENO_CACHE", str(tmp_path / "cache"))
    names = {"SOURCES": sources, "STATIC": static, "_MODULES": modules}
    stamps = {"_INSTALLED": modules / ".installed-from", "_BUILT": modules / ".built-from"}
    for name, value in {**names, **stamps}.items():
        monkeypatch.setattr(frontend, name, value)
    return tmp_path


@pytest.fixture
def ran(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What would have been run: "install" makes the modules, "build" makes static/."""
    log: list[str] = []

    def run(_: frontend.Node, __: Any, name: str) -> None:
        log.append(name)
        folder = checkout / ("static" if name == "build" else "frontend/node_modules")
        folder.mkdir(exist_ok=True)
        (folder / "index.html").write_text("x" * 10)

    monkeypatch.setattr(frontend, "_run", run)
    return log


def test_builds_once(checkout: Path, ran: list[str]) -> None:
    """The second time nothing is run at all, Node is not even looked for."""
    frontend.build()
    frontend.build()
    assert ran == ["install", "build"]


@pytest.mark.parametrize("path", ["src/main.ts", "src/new.ts", "index.html"])
def test_builds_again_after_a_change(checkout: Path, ran: list[str], path: str) -> None:
    frontend.build()
    (checkout / "frontend" / path).write_text("changed")
    frontend.build()
    assert ran == ["install", "build", "build"]


def test_installs_again_for_another_lock_file(checkout: Path, ran: list[str]) -> None:
    frontend.build()
    (checkout / "frontend" / "package-lock.json").write_text('{"lockfileVersion": 3}')
    frontend.build()
    assert ran == ["install", "build", "install", "build"]


def test_builds_again_when_the_result_is_gone(checkout: Path, ran: list[str]) -> None:
    frontend.build()
    (checkout / "static" / "index.html").unlink()
    frontend.build()
    assert ran == ["install", "build", "build"]


def test_tests_and_modules_are_no_reason_to_build(checkout: Path, ran: list[str]) -> None:
    frontend.build()
    for folder in ("tests", "node_modules"):
        (checkout / "frontend" / folder).mkdir(exist_ok=True)
        (checkout / "frontend" / folder / "a.ts").write_text("changed")
    frontend.build()
    assert ran == ["install", "build"]


def test_a_bundle_that_grew_too_large_is_refused(
    checkout: Path, ran: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    frontend.build()
    (checkout / "static" / "a.js").write_text("console.log(1)")
    (checkout / "static" / "picture.svg").write_text("<svg/>" * 1000)  # not a script, not counted
    monkeypatch.setattr(frontend, "BUNDLE_LIMIT", frontend.bundle_size())
    frontend.check()
    (checkout / "static" / "b.css").write_text("a { color: red }")
    with pytest.raises(Refused, match="compressed, at most"):
        frontend.check()


def test_what_is_fetched_later_has_a_limit_of_its_own(
    checkout: Path, ran: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    frontend.build()
    later = checkout / "static" / "assets" / "later"
    later.mkdir(parents=True)
    first = frontend.bundle_size()
    (later / "plot-1.js").write_text("console.log(2)")
    assert frontend.bundle_size() == first
    assert frontend.bundle_size(whole=True) > first
    monkeypatch.setattr(frontend, "WHOLE_LIMIT", first)
    with pytest.raises(Refused, match="all pages are"):
        frontend.check()
    # A chunk that the first page names is fetched with it.
    (checkout / "static" / "index.html").write_text('<link rel="modulepreload" href="/assets/later/plot-1.js">')
    assert frontend.bundle_size() > first


def test_a_missing_node_says_how_to_get_it(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Without:
        returncode, stdout = 1, ""

    monkeypatch.setattr(subprocess, "run", lambda *_, **__: Without())
    with pytest.raises(Refused, match="make venv"):
        frontend.find_node()


def test_a_failed_build_shows_the_end_of_its_output(checkout: Path) -> None:
    """And is tried again the next time: there is no stamp."""
    (checkout / "frontend" / "node_modules").mkdir()
    node = frontend.Node(Path("/nowhere"))
    with pytest.raises(Refused, match="no such program"):
        frontend._run(node, ["sh", "-c", "echo no such program; exit 3"], "build")
    assert not frontend._BUILT.exists()


def test_the_lock_file_names_no_registry() -> None:
    """Packages come from wherever npm is told to look, checked by their hashes."""
    lock = (Path(__file__).parents[3] / "webui" / "frontend" / "package-lock.json").read_text()
    assert '"resolved"' not in lock and lock.count('"integrity"') > 50
