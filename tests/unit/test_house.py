"""House rules that no linter knows; import-linter's contracts (.importlinter) say who may import whom."""

from __future__ import annotations

import ast
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
KOPF_ROOMS = {"operator/main.py", "controllers/lifecycle.py", "controllers/source.py", "controllers/quiet.py"}
SOURCES = ("blueno", "controllers", "operator", "webui", "hack", "bench")

PURE = (
    "blueno/names.py",
    "blueno/errors.py",
    "blueno/resources/*.py",
    "blueno/data/layout.py",
    "controllers/step.py",
    "controllers/objects/*.py",
    "controllers/dataset/*.py",
    "controllers/outputs/*.py",
    "controllers/servers.py",
)
IMPURE = {
    "aiohttp", "asyncio", "kopf", "kubernetes", "logging", "os", "psycopg2", "random", "secrets", "socket",
    "subprocess", "time", "uuid",
}  # fmt: skip
CLOCKS = {"now", "utcnow", "today"}  # of datetime: decisions take the time as an argument


def python_files(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from (path for path in sorted((TOP / folder).rglob("*.py")) if "node_modules" not in path.parts)


def place(path: Path) -> str:
    return path.relative_to(TOP).as_posix()


def imports(path: Path) -> set[str]:
    """First parts of everything the file imports, wherever it does."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def pure_files() -> list[Path]:
    files = [path for pattern in PURE for path in sorted(TOP.glob(pattern))]
    assert len(files) > 20, "the list of pure files no longer matches the tree"
    return files


def test_the_operators_folder_holds_scripts_only() -> None:
    """An `__init__.py` would put it before the standard library's `operator`."""
    assert not (TOP / "operator" / "__init__.py").exists()


def test_kopf_is_known_in_few_rooms() -> None:
    users = {place(path) for path in python_files(*SOURCES) if "kopf" in imports(path)}
    assert users == KOPF_ROOMS


@pytest.mark.parametrize("path", pure_files(), ids=place)
def test_pure_modules_are_pure(path: Path) -> None:
    assert imports(path) & IMPURE == set()
    calls = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    named = {func.attr for func in calls if isinstance(func, ast.Attribute)}
    bare = {func.id for func in calls if isinstance(func, ast.Name)}
    assert named & CLOCKS == set(), "the time is an argument"
    assert bare & {"open", "print", "input"} == set(), "no I/O"


def strings(path: Path) -> Iterator[tuple[int, str]]:
    """Texts that the program uses: no comments, no docstrings."""
    tree = ast.parse(path.read_text())
    docs = {
        node.body[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in docs:
            yield node.lineno, node.value


def test_names_are_spelled_in_one_place() -> None:
    """Sentences for people may name the annotation they are to set: those have a space in them."""
    spelled = [
        f"{place(path)}:{line}: {text}"
        for path in python_files("blueno", "controllers", "operator", "webui")
        if place(path) != "blueno/names.py"
        for line, text in strings(path)
        if "blueno.dev/" in text and " " not in text.strip()
    ]
    assert spelled == []


def test_sentences_name_only_annotations_that_exist() -> None:
    known = set(re.findall(r'f"\{GROUP\}/([a-z-]+)"', (TOP / "blueno" / "names.py").read_text()))
    for path in python_files("blueno", "controllers"):
        for line, text in strings(path):
            for name in re.findall(r"blueno\.dev/([a-z-]+)", text):
                assert name in known | {"v1alpha"}, f"{place(path)}:{line}: blueno.dev/{name}"


def test_the_environment_is_read_in_entry_points_only() -> None:
    # tfds: it writes
    allowed = {"controllers/lifecycle.py", "blueno/prep/sources/tfds.py", "webui/users.py", "blueno/pod.py"}
    # A person's shell: BLUENO_SERVER and the like; whether this is a pod; TERM.
    allowed |= {"blueno/client/settings.py", "blueno/client/kube.py", "blueno/client/bar.py", "blueno/cli/shell.py"}
    readers = {
        place(path)
        for path in python_files("blueno", "controllers", "operator", "webui")
        if any(token.string in ("environ", "getenv") for token in tokens(path)) and path.name != "__main__.py"
    }
    assert readers <= allowed


def tokens(path: Path) -> Iterator[tokenize.TokenInfo]:
    with path.open("rb") as file:
        yield from (token for token in tokenize.tokenize(file.readline) if token.type == tokenize.NAME)


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        place(path) for path in python_files("blueno", "controllers", "operator", "webui", "tests") if not said(path)
    ]
    assert silent == []


def said(path: Path) -> bool:
    return ast.get_docstring(ast.parse(path.read_text())) is not None


def test_rules_read_like_a_specification() -> None:
    """A rule is a small function with a sentence for a name and a docstring that gives its reason."""
    for files in (("decide.py", "storage.py"), ("deletion.py",)):  # the first holds the list
        trees = [ast.parse((TOP / "controllers/dataset" / file).read_text()) for file in files]
        functions = {node.name: node for tree in trees for node in tree.body if isinstance(node, ast.FunctionDef)}
        (rules,) = [
            node.value
            for node in trees[0].body
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == "RULES"
        ]
        assert isinstance(rules, ast.Tuple)
        listed = [element.id for element in rules.elts if isinstance(element, ast.Name)]
        written = [name for name, node in functions.items() if takes_a_case(node) and not name.startswith(("_", "dec"))]
        assert sorted(listed) == sorted(written), "a rule that is not listed never speaks"
        for name in listed:
            assert ast.get_docstring(functions[name]), name
            assert "_" in name, name


def takes_a_case(node: ast.FunctionDef) -> bool:
    return [argument.arg for argument in node.args.args] == ["case"]
