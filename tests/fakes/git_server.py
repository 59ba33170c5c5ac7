"""A real git repository behind HTTP (dulwich serves it), whose branch main can be moved. Used where code is fetched."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from dulwich import porcelain
from dulwich.repo import Repo
from dulwich.server import DictBackend
from dulwich.web import make_wsgi_chain

WHO = b"a <a@example.org>"


class Repository:
    """`url` is where it is served."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.url = folder, ""
        self.repo = Repo.init(str(folder), default_branch=b"main")

    def commit(self, text: str, file: str = "train.py") -> str:
        """The next commit of main, in which `file` is `text`; its 40 digits."""
        path = self.folder / file
        path.write_text(text)
        porcelain.add(str(self.folder), [str(path)])
        return porcelain.commit(str(self.folder), message=b"x", author=WHO, committer=WHO).decode()

    def tag(self, name: str) -> None:
        """An annotated tag of the last commit."""
        porcelain.tag_create(str(self.folder), name, author=WHO, message=b"x", annotated=True)


@contextmanager
def serving(folder: Path, address: str = "127.0.0.1") -> Iterator[Repository]:
    """An empty repository in `folder`, served until the block ends."""
    folder.mkdir()
    made = Repository(folder)
    app = make_wsgi_chain(DictBackend({"/train.git": made.repo}))
    server: WSGIServer = make_server(address, 0, app, handler_class=_Quiet)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    made.url = f"http://{address}:{server.server_port}/train.git"
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """No line on standard error for each request."""
