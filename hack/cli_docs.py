#!/usr/bin/env python3
"""Writes docs/cli.md from the commands' own `--help`; with --check only says whether it is stale.

Run by `make golden`, and (its `render`) by tests/unit/cli/test_documents.py. Calls blueno/cli.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from typer.testing import CliRunner

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

# After the path is set: this runs without an installation.
from blueno.cli.app import TREE, app  # noqa: E402
from blueno.cli.lazy import walk  # noqa: E402
from blueno.cli.shell import Exit  # noqa: E402
from blueno.data.survey import ProblemCode  # noqa: E402

WIDTH = 100

INTRO = """\
# The command line

Made by `hack/cli_docs.py` from the commands' own `--help`: do not edit, run `make golden`.

```sh not-run: installs into your Python
pip install 'blueno[client]'
```

installs `blueno`, and the same as `kubectl-blueno`, so that `kubectl blueno run ls` works too. In Python:
[client.md](client.md).

## Which server, and who

`blueno login https://…` asks for email and password, changes them into a token that is good for 90 days, and keeps only
the token, in `~/.config/blueno/config.json` (or below `XDG_CONFIG_HOME`), which nobody else may read. `blueno logout`
makes it useless. Scripts and CI set variables instead:

| variable | meaning |
|---|---|
| `BLUENO_SERVER` | Address of the server. |
| `BLUENO_TOKEN` | A token of the page Tokens. One that `blueno login` saved goes only to the server it came from. |
| `BLUENO_NAMESPACE` | Namespace when there is no `-n`; else it is `default`. |
| `BLUENO_ALLOW_HTTP` | `1`: tokens may travel unencrypted, as in a cluster; else `http://` is for this machine only. |
| `SSL_CERT_FILE` | Certificates to trust, when an authority of your own issued the server's. |
| `NO_COLOR` | No colours. There are none either when the output is not a terminal. |

## In scripts

Results go to standard output, everything else to standard error. `-o json`, `-o yaml` and `-o name` are for programs;
what others wrote (names, messages, logs) cannot command your terminal. Reading is tried again while the server is away,
changes never are. What a command ends with:

| exit code | meaning |
|---|---|
"""

CODES = {
    Exit.DONE: "Done; with `wait` and `--wait`: the run succeeded.",
    Exit.FAILED: "An error that has no number of its own.",
    Exit.USAGE: "Wrong arguments, or a file or field that cannot be; the message names it.",
    Exit.NOT_FOUND: "There is no such run or server, or you may not see it; `dataset verify`: no data set lies there.",
    Exit.NOT_PERMITTED: "Not logged in, or not permitted.",
    Exit.UNAVAILABLE: "The server does not answer, after several tries where that is safe.",
    Exit.CONFLICT: "The name is taken, or somebody else changed it first; `storage rm`: the server is in use.",
    Exit.RUN_FAILED: "`wait` and `--wait`: the run failed.",
    Exit.NOT_IN_TIME: "`wait --timeout`: it had not ended; it goes on. `storage rm`: the claim goes by itself, too.",
    Exit.DAMAGED: "`dataset verify`: something is missing, or has been changed since it was sealed.",
    Exit.PARTLY: "`sample add`, `rm` and `download`: some samples were refused or are not there; each is named.",
    Exit.UNWELL: "`doctor`: something is wrong, and it says what.",
    Exit.LOCAL: "`run local`: not started. Else the program's own code: 126 and 127 when it cannot be started or is "
    "not found, 128 + number after a signal.",
    Exit.INTERRUPTED: "Ctrl-C.",
    Exit.BROKEN_PIPE: "Whoever read the output has left.",
}

LOCAL = """\
## On this machine

`blueno run --local run.yaml` runs the program of a TrainingRun as a process: the same YAML, command, arguments,
parameters and variables, read by the same code as in the operator. **No container is started**: the program uses the
Python, packages and GPUs of this machine, and starts in the directory of the YAML file.

- **Data sets**: `--dataset digits=/path`, or `BLUENO_DATASET_DIGITS` in your environment: a directory with a
  `manifest.json` in it, such as a copy of a version. When the run names a version, it has to be that one.
- **Outputs** go to `./runs/<name>/`, checkpoints to `./runs/<name>/checkpoints/`. Both are the same in every attempt:
  run it again after a crash, and `BLUENO_RESUME_FROM` names the newest checkpoint. `--name` makes another run;
  `--start-over` puts the old directory aside. It does not go on with another command or other parameters.
- **Paths of the pod** in command, arguments and variables are replaced: `/workspace/dataset/digits` (or its
  `mountPath`), `/workspace/output`, and `/workspace/code`, which is the directory of the YAML file.
- **Ctrl-C** sends SIGTERM to the program and all it started, as a suspended run gets it, and waits
  `terminationGracePeriodSeconds`; again Ctrl-C ends it at once. `activeDeadlineSeconds` counts, too.
- **Secrets** are not read from the cluster: a variable with `valueFrom` is refused until you hand over your own with
  `--env NAME`. Your environment is passed on, except for what Blueno sets by itself and your token.
- **What needs a cluster** (image, GPUs, resources, several nodes, queues) is left out, and said in a line each.
- `blueno.report` prints its numbers, and `blueno.checkpoint` works as in a pod.

"""

COPIES = """\
## Copies of data sets

`blueno dataset verify PATH` reads a [backup](storage.md#backup) or any other copy, needs no server and no login, and
writes nothing. It compares the length and sha256 of every file with the manifest, the rows of the index with the
digest, and looks whether each pointer in `works/` has its version. Shards that versions share as hard links are read
once. Files that no manifest names are listed and do no harm. `-o json` gives `intact`, `versions` (`path`, `digest`,
`current`, `samples`, `files`, `bytes`, `intact`, `problems`, `extraFiles`) and `problems`; each problem has `path`,
`message` and a `code`:

| code | meaning |
|---|---|
"""

PROBLEMS = {
    ProblemCode.MISSING: "A file, a version that a pointer names, or every pointer is not there.",
    ProblemCode.NOT_A_FILE: "A link, a pipe, a directory: pods would not see what it stands for.",
    ProblemCode.WRONG_SIZE: "Cut off, or longer than it was.",
    ProblemCode.CHANGED: "Other bytes than were sealed.",
    ProblemCode.UNREADABLE: "The disk or its permissions do not let it be read.",
    ProblemCode.BAD_MANIFEST: "`manifest.json` is damaged, of a newer format, or does not agree with itself.",
    ProblemCode.BAD_INDEX: "`index.arrow` has the right sum and is no index of so many samples.",
    ProblemCode.WRONG_DIGEST: "Not the version that the manifest, the directory's name or `--digest` says.",
    ProblemCode.BAD_POINTER: "A file in `works/` is damaged.",
    ProblemCode.NO_OWNER: "`owner.json` is missing or damaged: no Dataset would take the directory over.",
}

COMMANDS = """\

## Commands
"""


def commands() -> Iterator[tuple[str, ...]]:
    """Every command as it is typed, in the order of the help."""
    yield ()
    for words, _ in walk(TREE):
        yield words


def helps() -> Iterator[tuple[str, str]]:
    """(command, its --help as a person sees it on a terminal of WIDTH columns)."""
    for words in commands():
        done = CliRunner().invoke(app, [*words, "--help"], prog_name="blueno", env={"COLUMNS": str(WIDTH)})
        if done.exit_code:
            raise RuntimeError(f"blueno {' '.join(words)} --help: {done.output}")
        yield " ".join(("blueno", *words)), "\n".join(line.rstrip() for line in done.stdout.strip().splitlines())


def render() -> str:
    """The whole page."""
    codes = "".join(f"| {code.value} | {CODES[code]} |\n" for code in Exit)
    parts = [f"### {command}\n\n```text\n{text}\n```\n" for command, text in helps()]
    problems = "".join(f"| `{code}` | {PROBLEMS[code]} |\n" for code in ProblemCode)
    return "\n".join([INTRO + codes, LOCAL + COPIES + problems + COMMANDS, *parts])


def main(arguments: list[str]) -> int:
    """Writes the page, or with --check returns 1 when it is stale."""
    page, target = render(), ROOT / "docs" / "cli.md"
    if "--check" not in arguments:
        target.write_text(page)
        return 0
    if target.is_file() and target.read_text() == page:
        return 0
    print("docs/cli.md is stale: run `make golden`")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
