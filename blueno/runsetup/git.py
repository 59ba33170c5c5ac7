"""Fetches one revision of a public repository with dulwich, which needs no git in the image. Called by __main__.py."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from blueno.runsetup.failure import SetupFailed

TRIES = 4
FIRST_PAUSE = 1.0  # seconds before the second try; doubled each time
LIMIT_SECONDS = 600  # for everything: a server that trickles must not hold a GPU for ever
_COMMIT = re.compile(r"[0-9a-f]{40}")


def fetch(url: str, revision: str, into: Path) -> str:
    """The commit that `revision` (branch, tag or commit) names; its files lie in `into` then. Raises SetupFailed."""
    signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(LIMIT_SECONDS)
    try:
        return _with_retries(lambda: _fetch(url, revision, into), url)
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


def _fetch(url: str, revision: str, into: Path) -> str:
    from dulwich.client import get_transport_and_path
    from dulwich.repo import Repo

    client: Any  # dulwich's own types change from one release to the next
    client, path = get_transport_and_path(url)
    into.mkdir(parents=True, exist_ok=True)
    with closing(Repo(str(into)) if (into / ".git").exists() else Repo.init(str(into))) as repo:
        return _check_out(repo, _bring(client, path, repo, revision, url))


def _bring(client: Any, path: str, repo: Any, revision: str, url: str) -> bytes:
    """The commit, which the repository has then."""
    found: list[bytes] = []

    def wants(refs: Mapping[bytes, bytes], depth: int | None = None) -> list[bytes]:  # noqa: ARG001
        found[:] = [_commit_of(refs, revision, url)]
        return [sha for sha in found if sha not in repo.object_store]

    whole = _COMMIT.fullmatch(revision) is not None  # a server gives single commits only at the tips of branches
    if whole:
        result = client.fetch(path, repo, determine_wants=lambda refs, depth=None: _tips(refs, repo))  # noqa: ARG005
        found[:] = [revision.encode()]
        if found[0] not in repo.object_store:
            known = len([ref for ref in result.refs if ref.startswith(b"refs/heads/")])
            raise SetupFailed(f"{url} has no commit {revision} on its {known} branches and tags")
    else:
        client.fetch(path, repo, determine_wants=wants, depth=1)
    return found[0]


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
