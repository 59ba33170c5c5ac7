"""`Client`: one server, one person. Made by people's scripts and blueno/cli; what it can do is in runs.py, datasets.py,
samples.py, users.py and tokens.py. aio.py has its twin for asyncio.
"""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

from blueno.client import kube
from blueno.client.datasets import AsyncDatasets, Datasets
from blueno.client.driving import Blocking
from blueno.client.runs import AsyncRuns, Runs
from blueno.client.samples import AsyncSamples, Samples
from blueno.client.tokens import AsyncTokens, Tokens
from blueno.client.users import AsyncUsers, Users
from blueno.names import SYSTEM_NAMESPACE

if TYPE_CHECKING:
    from blueno.client.http import Http


class Client:
    """The server of `server` (an address such as https://blueno.example.org), as the person of `token`.

    What is not given comes from BLUENO_SERVER and BLUENO_TOKEN, else from what `blueno login` wrote; in a pod the
    server is that of the same cluster when nothing names another. Nothing is sent before the first call. Raises
    BluenoError when there is no address, or one that a token must not be sent to. Use it as a context manager, or call
    `close`.
    """

    def __init__(self, server: str | None = None, token: str | None = None) -> None:
        found = kube.resolve(server, token)
        self.server = found.server
        self._token = found.token
        self._http: Http | None = None
        self._forward: kube.Forward | None = None
        self._transport = Blocking(self._connection)
        self.runs = Runs(AsyncRuns(self._transport))
        self.datasets = Datasets(AsyncDatasets(self._transport))
        self.users = Users(AsyncUsers(self._transport))
        self.tokens = Tokens(AsyncTokens(self._transport))

    @classmethod
    def from_kube(
        cls,
        namespace: str = SYSTEM_NAMESPACE,
        *,
        token: str | None = None,
        context: str | None = None,
        kubeconfig: str | None = None,
    ) -> Client:
        """The server in the cluster of your kubeconfig, through `kubectl port-forward` until `close`.

        For clusters whose server has no address of its own. `token` is one of Blueno's, as ever: else BLUENO_TOKEN.
        """
        forward = kube.Forward(kube.Target(namespace, context, kubeconfig))
        try:
            client = cls(forward.open(), kube.token_of(token))
        except BaseException:
            forward.close()
            raise
        client._forward = forward
        return client

    def samples(self, dataset: str, namespace: str = "default") -> Samples:
        """The samples of one data set."""
        return Samples(AsyncSamples(self._transport, dataset, namespace))

    def __repr__(self) -> str:
        return f"<Client of {self.server}>"

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes its connections; a later call opens new ones, unless they went through `from_kube`."""
        if self._http is not None:
            self._http.close()
            self._http = None
        if self._forward is not None:
            self._forward.close()

    def _connection(self) -> Http:
        if self._http is None:
            from blueno.client.http import Http  # httpx takes 0.1 s to import

            self._http = Http(self.server, self._token)
        return self._http
