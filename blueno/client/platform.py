"""`PlatformClient`: the client of 2019, so that scripts that were written for it run unchanged. Called by such scripts.

Same names, order of arguments, defaults, return values and exceptions. It asks by the paths of 2019: what old names and
addresses mean is known to the server alone, which answers copies of the old client, too. New scripts take `Client`.
"""

from __future__ import annotations

import io
import json
import time
import weakref
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

from blueno.client import settings
from blueno.client.asking import segment
from blueno.client.exchange import Request, Streamed
from blueno.client.multipart import Multipart, PlatformError
from blueno.client.reading import Fields
from blueno.errors import BluenoError, Conflict, NotFound, Rejected, Unavailable

if TYPE_CHECKING:
    from blueno.client.http import Http

T = TypeVar("T")

PAUSES = (2.0, 4.0, 8.0, 16.0, 32.0)  # seconds before the second to the sixth try
PAGE = 2000  # samples in one answer
LARGEST = 16 << 30  # bytes of a sample that are held in memory
IMAGE_TYPES = ("2D", "3D")
DATASET_NAME, SAMPLE_NAME = 255, 1024  # characters


class PlatformClient:
    """Logs in at once. Raises PlatformError, as all its methods do."""

    def __init__(self, server: str, email: str, password: str) -> None:
        from blueno.client.http import Http

        self._email, self._password = email, password
        try:
            self._http: Http = Http(settings.checked_server(server), None)
        except BluenoError as error:
            raise PlatformError(str(error)) from error
        weakref.finalize(self, self._http.close)  # it never had a `close`
        self._token = ""
        self._log_in()

    def list_datasets(self) -> list[dict[str, Any]]:
        """Dictionaries with `name`, `info`, `created_at`, by name."""
        return self._items(Request("GET", "/datasets/"), "datasets")

    def create_dataset(self, name: str, description: str | None = None, info: Mapping[str, Any] | None = None) -> bool:
        """True: it was made; False: it is there already."""
        said = {**(info or {}), **({} if description is None else {"description": description})}
        request = Request("PUT", self._path(name), body=_sendable({"info": said}))
        return self._made(request, lambda: any(one.get("name") == name for one in self.list_datasets()))

    def delete_dataset(self, name: str) -> bool:
        """True: it goes, with its samples, as its reclaim policy says; False: there is none of that name."""
        return self._gone(Request("DELETE", self._path(name)))

    def list_samples(self, dataset: str) -> list[dict[str, Any]]:
        """Dictionaries with `name`, `info`, `created_at`, `last_updated`, in the order in which they were added."""
        return self._samples(dataset, {})

    def create_sample(  # noqa: PLR0913  # as in 2019: scripts call it by position
        self,
        name: str,
        dataset: str,
        data_url: str,
        data_content: BinaryIO,
        image_type: str | None = None,
        label: Any = None,
        split: str | None = None,
        other_info: Mapping[str, Any] | None = None,
    ) -> bool:
        """Sends the data, then registers the sample. True: it is new; False: it is there already."""
        self._check_image_type(image_type)
        self.upload_sample(data_url, data_content)
        return self.register_sample(name, dataset, data_url, False, image_type, label, split, other_info)

    def register_sample(  # noqa: PLR0913  # as in 2019: scripts call it by position
        self,
        name: str,
        dataset: str,
        data_url: str,
        validate: bool = True,
        image_type: str | None = None,
        label: Any = None,
        split: str | None = None,
        other_info: Mapping[str, Any] | None = None,
    ) -> bool:
        """True: it is new; False: it is there already. `validate`: the data must be at the address."""
        self._check_image_type(image_type)
        said: dict[str, Any] = {**(other_info or {}), "data": {"url": data_url}}
        said |= {} if label is None else {"label": label}
        said |= {} if split is None else {"split": split}
        said |= {} if image_type is None else {"image": {"type": image_type}}
        request = Request("PUT", self._path(dataset, name), body=_sendable({"validate": validate, "info": said}))
        return self._made(request, lambda: self._is_there(dataset, name, data_url))

    def upload_sample(self, data_url: str, data_content: BinaryIO) -> None:
        """Puts the data at the address, from where `data_content` stands to its end."""
        with Multipart(data_content) as body:
            request = Request(
                *("POST", "/data/upload", {"url": data_url}),
                pieces=Streamed(body.size, body.blocks),
                media=f"multipart/form-data; boundary={body.boundary}",
            )
            self._patiently(lambda: self._perform(request))

    def download_sample(self, data_url: str) -> io.BytesIO:
        """The data at the address."""
        return self._patiently(lambda: self._download(data_url))

    def delete_sample(self, name: str, dataset: str, purge: bool = False) -> bool:
        """True: it is gone; False: there is none. `purge`: its data, too."""
        return self._gone(Request("DELETE", self._path(dataset, name), body={"purge": purge}))

    def _log_in(self) -> None:
        body = {"email": self._email, "password": self._password}
        try:
            answer = self._patiently(lambda: self._http.perform(Request("POST", "/login", body=body)), login=False)
        except PlatformError as error:
            if isinstance(error.__cause__, Rejected) and error.__cause__.status == 401:
                raise PlatformError("the address or the password is not right") from error.__cause__
            raise
        self._token = _understood(lambda: Fields(answer.body, "login").text("access_token"))

    def _made(self, request: Request, is_there: Callable[[], bool]) -> bool:
        """A 409 after an answer that was lost may speak of what that request made."""
        tries: list[Unavailable] = []
        try:
            self._patiently(lambda: self._perform(request), tries.append)
        except PlatformError as error:
            if not isinstance(error.__cause__, Conflict):
                raise
            return bool(tries) and is_there()
        return True

    def _gone(self, request: Request) -> bool:
        """A 404 after an answer that was lost speaks of what that request removed."""
        tries: list[Unavailable] = []
        try:
            self._patiently(lambda: self._perform(request), tries.append)
        except PlatformError as error:
            if not isinstance(error.__cause__, NotFound):
                raise
            return bool(tries)
        return True

    def _is_there(self, dataset: str, name: str, data_url: str) -> bool:
        for sample in self._samples(dataset, {"prefix": name}):
            if sample.get("name") == name:
                info = sample.get("info")
                return isinstance(info, dict) and (info.get("data") or {}).get("url") == data_url
        return False

    def _samples(self, dataset: str, query: Mapping[str, Any]) -> list[dict[str, Any]]:
        path = f"{self._path(dataset)}/samples/"
        found: list[dict[str, Any]] = []
        before: list[dict[str, Any]] | None = None
        while True:
            request = Request("GET", path, {**query, "limit": PAGE, "offset": len(found)})
            page = self._items(request, "samples")
            if not page:
                return found
            if page == before:
                raise PlatformError("the server repeats a page of samples instead of going on: this is a fault of its")
            found, before = found + page, page

    def _items(self, request: Request, key: str) -> list[dict[str, Any]]:
        answer = self._patiently(lambda: self._perform(request))
        return _understood(lambda: [dict(one.raw) for one in Fields(answer.body, "answer").each(key)])

    def _perform(self, request: Request) -> Any:
        headers = {**request.headers, "Authorization": f"Bearer {self._token}"}
        made = Request(
            request.method, request.path, request.query, request.body, headers, request.pieces, request.media
        )
        return self._http.perform(made)

    def _download(self, data_url: str) -> io.BytesIO:
        held = io.BytesIO()
        headers = {"Authorization": f"Bearer {self._token}"}
        with self._http.stream("/data/download", {"url": data_url}, headers) as answer:
            length = answer.headers.get("Content-Length", "")
            for piece in answer.pieces:
                held.write(piece)
                if held.tell() > LARGEST:
                    raise PlatformError(
                        f"the data have more than {LARGEST >> 30} GiB: use blueno.Client, which saves to a file"
                    )
        if length.isdecimal() and int(length) != held.tell():
            raise Unavailable(f"{held.tell()} of {length} bytes came")
        held.seek(0)
        return held

    def _patiently(
        self, call: Callable[[], T], lost: Callable[[Unavailable], object] | None = None, *, login: bool = True
    ) -> T:
        """What `call` returns; tried again while the server is away (`lost` is told), and once after a new login."""
        pauses = iter(PAUSES)
        while True:
            try:
                return call()
            except Unavailable as error:
                pause = next(pauses, None)
                if pause is None:
                    raise PlatformError(str(error)) from error
                if lost is not None:
                    lost(error)
                time.sleep(max(pause, min(error.retry_after or 0.0, PAUSES[-1])))
            except Rejected as error:
                if error.status != 401 or not login:
                    raise PlatformError(str(error)) from error
                login = False
                self._log_in()
            except PlatformError:
                raise
            except BluenoError as error:
                raise PlatformError(str(error)) from error

    @staticmethod
    def _path(dataset: str, sample: str | None = None) -> str:
        path = f"/datasets/{_step(dataset, 'data set', DATASET_NAME)}"
        return path if sample is None else f"{path}/samples/{_step(sample, 'sample', SAMPLE_NAME)}"

    @staticmethod
    def _check_image_type(image_type: str | None) -> None:
        if image_type is not None and image_type not in IMAGE_TYPES:
            raise PlatformError(f"image_type is {' or '.join(IMAGE_TYPES)}, or None, not {image_type!r}")


def _sendable(body: dict[str, Any]) -> dict[str, Any]:
    """As it is. Raises PlatformError for what JSON does not know."""
    try:
        json.dumps(body, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise PlatformError(f"label and info must be JSON values: {error}") from error
    return body


def _step(name: str, what: str, longest: int) -> str:
    """Of a path."""
    if not isinstance(name, str) or len(name) > longest:
        raise PlatformError(f"the name of a {what} is a text of at most {longest} characters")
    try:
        return segment(name, what)
    except (BluenoError, UnicodeEncodeError) as error:
        raise PlatformError(str(error)) from error


def _understood(read: Callable[[], T]) -> T:
    try:
        return read()
    except BluenoError as error:
        raise PlatformError(str(error)) from error
