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
from blueno.cli.app import app  # noqa: E402
from blueno.cli.shell import Exit  # noqa: E402
from blueno.cli.tree import TREE, walk  # noqa: E402
from blueno.data.survey import ProblemCode  # noqa: E402

WIDTH = 100

INTRO = """\
# The command line

Made by `hack/cli_docs.py` from the commands' own `--help`: do not edit, run `make golden`.

```sh not-run: installs into your Python
pip install 'blueno[client]'
```

installs `blueno`, and the same as `kubectl-blueno`, so that `kubectl blueno run ls` works too, and says so in its
help. In Python: [client.md](client.md).

## A data set from files to a version

```sh run-by: tests/unit/cli/test_documents.py
blueno dataset create birds --from upload --set displayName=Birds --wait
blueno sample add birds photos --layout classFolders --split train
blueno sample add birds photos/owl/1.png --key extra/owl.png --label owl --split test --metadata '{"camera": "A"}'
blueno sample ls birds --split train
blueno sample get birds extra/owl.png -o yaml
blueno dataset seal birds --wait
blueno dataset describe birds
blueno sample download birds extra/owl.png --target owl.png
blueno sample rm birds extra/owl.png
blueno dataset export birds
blueno dataset browse birds --print
```

- `sample add` takes files, directories, and with `--list` a CSV or lines of JSON (`path`, and `key`, `split`,
  `label`, `group`, `metadata` as wanted; paths are below the list's own directory). `--label 7` is a number, `--label
  cat` a text, `--label '"7"'` the text 7. Small files travel many in one request. **A command that broke
  off is simply run again**: what is there already is not sent twice, and another sample of the same key is refused
  until you say `--replace`.
- What was added is seen in the gallery at once; `dataset seal` makes it part of a version. Data sets with another
  source take samples, too: they become part of their next version.
- `sample download --all --target DIR` makes paths of keys. A key cannot lead out of the directory, and no two keys
  have one place: what a file may not be called is written as `%XX`.
- `--dry-run -o yaml` prints what to keep in Git instead of making it, and `export` prints what is there the same way:

```sh run-by: tests/unit/cli/test_documents.py
blueno dataset create digits --from tfds:mnist:3.0.1 --set storage.managedNFS.size=2Gi --dry-run -o yaml
blueno dataset create photos --from claim:raw-data/2024 --set layout.type=classFolders --dry-run -o yaml
```

## Which server, and who

`blueno login https://…` asks for email and password, changes them into a token that is good for 90 days, and keeps
only the token, in `~/.config/blueno/config.json` (or below `XDG_CONFIG_HOME`), which nobody else may read. `blueno
logout` makes it useless. Each server is a *context*, as in a kubeconfig: `blueno config ls` lists them, `blueno
config use NAME` changes to another, `blueno config use -` goes back, and `blueno config namespace NAME` sets the
namespace that is meant where no `-n` stands. Every command that asks a server takes `--server`, an address or the
name of a context, for this once; a token goes only to the server it came from. `blueno config show` says what would
be used now.

Without an Ingress: `blueno ui` leads a port of this machine to the cluster, by kubectl with your own kubeconfig, and
prints the address, which `blueno login` takes. Scripts and CI set variables instead:

| variable | meaning |
|---|---|
| `BLUENO_SERVER` | Address of the server, or the name of a context. |
| `BLUENO_TOKEN` | A token of the page Tokens. One that `blueno login` saved goes only to the server it came from. |
| `BLUENO_NAMESPACE` | Namespace when there is no `-n`; else the context's, else `default`. |
| `BLUENO_SYSTEM_NAMESPACE` | Where Blueno itself runs, for `doctor` and `ui`; else `blueno-system`. |
| `BLUENO_ALLOW_HTTP` | `1`: tokens may travel unencrypted, as in a cluster; else `http://` is for this machine only. |
| `SSL_CERT_FILE` | Certificates to trust, when an authority of your own issued the server's. |
| `NO_COLOR` | No colours. There are none either when the output is not a terminal. |

Administrators make people: `blueno user add ada@example.org --role editor -n team` prints a password once, and
`--password-stdin` takes one instead; `user set` changes role and namespaces, `user reset` sets another password and
ends sessions and tokens, `user rm` takes all rights within a minute. The very first user is made in the browser, with
the code in the web process's log. `TOKEN=$(blueno token add ci --days 30)` is a token for a script, with your own
rights.

## When something is wrong

`blueno doctor` checks the server, the login, the database, and with kubectl the cluster, our kinds, the operator, the
web process, the recorder and the data servers. Each check that fails says why and what to do, and the exit code is
11. What you may not see in the cluster is left out, and said; who has no kubectl is asked nothing about it.

## Completion

`source <(blueno completion bash)` in `~/.bashrc`, the same with `zsh` after compinit in `~/.zshrc`, and for fish
`blueno completion fish > ~/.config/fish/completions/blueno.fish`. Names of data sets, runs and contexts are
completed, too; the server is asked for at most a second. For `kubectl blueno`, save what `blueno completion kubectl`
prints as `kubectl_complete-blueno` in your PATH and make it executable.

## In scripts

Results go to standard output, everything else to standard error. `-o json`, `-o yaml` and `-o name` are for programs;
what others wrote (names, messages, logs) cannot command your terminal. Reading is tried again while the server is
away, changes only where twice is as good as once (creating, asking again, adding and taking out samples). With a
terminal, progress and colours are for people (`NO_COLOR` is respected); without one, lines. What a command ends with:

| exit code | meaning |
|---|---|
"""

CODES = {
    Exit.DONE: "Done; with `wait` and `--wait`: the run succeeded, the data set can be used.",
    Exit.FAILED: "An error that has no number of its own.",
    Exit.USAGE: "Wrong arguments, or a file or field that cannot be; the message names it.",
    Exit.NOT_FOUND: "There is no such object, or you may not see it; `dataset verify`: no data set lies there.",
    Exit.NOT_PERMITTED: "Not logged in, or not permitted.",
    Exit.UNAVAILABLE: "The server does not answer, after several tries where that is safe.",
    Exit.CONFLICT: "The name is taken, or somebody else changed it first; `storage rm`: the server is in use.",
    Exit.RUN_FAILED: "`wait` and `--wait`: the run failed, or the data set needs a person's help.",
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
