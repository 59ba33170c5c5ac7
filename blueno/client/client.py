"""`Client`: one server, one person. Made by people's scripts and blueno/cli; its parts are in runs.py and http.py."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

from blueno.client import settings
from blueno.client.runs import Runs

if TYPE_CHECKING:
    from blueno.client.http import Http


class Client:
    """The server of `server` (an address such as https://blueno.example.org), as the person of `token`.

    What is not given comes from BLUENO_SERVER and BLUENO_TOKEN, else from what `blueno login` wrote. Nothing is sent
    before the first call. Raises BluenoError when there is no address, or one that a token must not be sent to.
    Use it as a context manager, or call `close`.
    """

    def __init__(self, server: str | None = None, token: str | None = None) -> None:
        found = settings.resolve(server, token)
        self.server = found.server
        self._token = found.token
        self._http: Http | None = None
        self.runs = Runs(self._connection)

    def __repr__(self) -> str:
        return f"<Client of {self.server}>"

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes its connections; a later call opens new ones."""
        if self._http is not None:
            self._http.close()
            self._http = None

    def _connection(self) -> Http:
        if self._http is None:
            from blueno.client.http import Http  # httpx takes 0.1 s to import

            self._http = Http(self.server, self._token)
        return self._http
