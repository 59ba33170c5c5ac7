"""Fetches one revision of a public repository with dulwich, which needs no git in the image. Called by __main__.py."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from blueno.runsetup.failure import SetupFailed
from blueno.runsetup.revision import COMMIT

TRIES = 4
FIRST_PAUSE = 1.0  # seconds before the second try; doubled each time
LIMIT_SECONDS = 600  # for everything: a server that trickles must not hold a GPU for ever

Keep = Callable[[str], str]


def fetch(url: str, revision: str, into: Path, keep: Keep) -> str:
    """The commit that `revision` names; its files lie in `into` then. Raises SetupFailed.

    `keep` is told what a branch or tag points to, and answers with the commit to be had, which may be another.
    """
    signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(LIMIT_SECONDS)
    try:
        return _with_retries(lambda: _fetch(url, revision, into, keep), url)
    finally:
        signal.alarm(0)


def _too_long(*_: Any) -> None:
    raise SetupFailed(f"the code was not fetched within {LIMIT_SECONDS} s: is the repository small enough?")


def _with_retries(work: Callable[[], str], url: str) -> str:
    from dulwich.errors import GitProtocolError, HangupException, NotGitRepository
    from urllib3.exceptions import HTTPError

    pause = FIRST_PAUSE
    for number in range(1, TRIES + 1):
        try:
            return work()
        except NotGitRepository as error:
            raise SetupFailed(f"{url} is no git repository, or not a public one") from error
        except (GitProtocolError, HangupException, HTTPError, OSError) as error:
            if number == TRIES:
                raise SetupFailed(f"{url} cannot be fetched ({type(error).__name__}: {error})"[:500]) from error
            time.sleep(pause)
            pause *= 2
    raise AssertionError("the last try returns or raises")


def _fetch(url: str, revision: str, into: Path, keep: Keep) -> str:
    from dulwich.client import get_transport_and_path
    from dulwich.repo import Repo

    client: Any  # dulwich's own types change from one release to the next
    client, path = get_transport_and_path(url)
    refs = client.get_refs(path).refs
    commit = revision if COMMIT.fullmatch(revision) else keep(_commit_of(refs, revision, url).decode())
    into.mkdir(parents=True, exist_ok=True)
    with closing(Repo(str(into)) if (into / ".git").exists() else Repo.init(str(into))) as repo:
        if not _bring(client, path, repo, commit.encode(), refs):
            known = len([ref for ref in refs if ref.startswith(b"refs/heads/")])
            raise SetupFailed(f"{url} has no commit {commit} on its {known} branches and tags")
        return _check_out(repo, commit.encode())


def _bring(client: Any, path: str, repo: Any, commit: bytes, refs: Mapping[bytes, bytes]) -> bool:
    """Fetch one commit; whether the server has it."""
    peeled = b"^{}"  # of an annotated tag: what it is about, which is not what a server gives
    tips = (sha for ref, sha in refs.items() if not ref.endswith(peeled) and commit in (sha, refs.get(ref + peeled)))
    tip = next(tips, None)
    if tip is not None:
        client.fetch(path, repo, determine_wants=lambda refs, depth=None: [tip], depth=1)  # noqa: ARG005
    else:  # a server gives single commits only at the tips of branches
        client.fetch(path, repo, determine_wants=lambda refs, depth=None: _tips(refs, repo))  # noqa: ARG005
    return commit in repo.object_store


def _tips(refs: Mapping[bytes, bytes], repo: Any) -> list[bytes]:
    named = {sha for ref, sha in refs.items() if ref.startswith((b"refs/heads/", b"refs/tags/"))}
    return [sha for sha in sorted(named) if sha not in repo.object_store]


def _commit_of(refs: Mapping[bytes, bytes], revision: str, url: str) -> bytes:
    name = revision.encode()
    for ref in (b"refs/tags/" + name + b"^{}", b"refs/tags/" + name, b"refs/heads/" + name, name):
        if ref in refs and refs[ref] is not None:
            return refs[ref]
    branches = sorted(ref.removeprefix(b"refs/heads/").decode() for ref in refs if ref.startswith(b"refs/heads/"))
    raise SetupFailed(f"{url} has no branch or tag {revision}; branches: {', '.join(branches[:10]) or 'none'}")


def _check_out(repo: Any, sha: bytes) -> str:
    """The files of a commit, or of the commit that an annotated tag is about."""
    found = repo[sha]
    while found.type_name == b"tag":
        found = repo[found.object[1]]
    repo.refs[b"HEAD"] = found.id
    repo.get_worktree().reset_index(found.tree)
    return str(found.id.decode())
