"""The person's side of a command: errors in words, exit codes, colours, which server. Used by all of blueno/cli."""

from __future__ import annotations

import functools
import inspect
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import IO, TYPE_CHECKING, Annotated, Any, ParamSpec

import typer

from blueno import names
from blueno.cli import spoken
from blueno.errors import BluenoError, Conflict, InvalidSpec, NotFound, Rejected, Unavailable

if TYPE_CHECKING:
    from blueno.client import Client
    from blueno.client.settings import Settings

P = ParamSpec("P")


class Exit(IntEnum):
    """What a command ends with; docs/cli.md tells people. Their numbers stay."""

    DONE = 0
    FAILED = 1
    USAGE = 2  # typer's own number for wrong arguments
    NOT_FOUND = 3
    NOT_PERMITTED = 4
    UNAVAILABLE = 5
    CONFLICT = 6
    RUN_FAILED = 7
    NOT_IN_TIME = 8
    DAMAGED = 9
    PARTLY = 10
    UNWELL = 11
    LOCAL = 125  # a local run was not started; else its own exit code, 126 and 127 as a shell's
    INTERRUPTED = 130
    BROKEN_PIPE = 141


class Output(StrEnum):
    """-o"""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


Server = Annotated[
    str | None,
    typer.Option(
        "-s",
        "--server",
        metavar="SERVER",
        help="Address, or name of a context: `blueno config ls`.",
        show_default=False,
    ),
]
Namespace = Annotated[
    str | None,
    typer.Option(
        *("-n", "--namespace"),
        metavar="NAME",
        help="Its namespace; else BLUENO_NAMESPACE, the context's, default.",
        show_default=False,
    ),
]


@dataclass(frozen=True)
class Chosen:
    """The values of the options that every command has which asks a server."""

    server: str | None = None
    namespace: str | None = None


_UNSEEN = "or you may not see it"  # how the server ends what it says of an object

_chosen: ContextVar[Chosen] = ContextVar("chosen", default=Chosen())  # noqa: B039  # it is frozen


def command(function: Callable[P, int | None]) -> Callable[P, None]:
    """Makes a function a command: what it returns is the exit code, and its errors are told in words."""

    @functools.wraps(function)
    def told(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            code = function(*args, **kwargs) or Exit.DONE
            sys.stdout.flush()
        except BluenoError as error:
            say(f"{spoken.program()}: {error}")
            code = exit_code(error)
        except KeyboardInterrupt:
            code = Exit.INTERRUPTED
        except BrokenPipeError:
            # Whoever read us has gone (`blueno run ls | head -1`): nothing more may be written, not at exit either.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = Exit.BROKEN_PIPE
        raise typer.Exit(int(code))

    return told


def served(function: Callable[P, int | None]) -> Callable[..., None]:
    """As `command`, for those that ask a server: adds `--server`, which `client` and `settings` follow."""
    return _with(function, server=Server)


def placed(function: Callable[P, int | None]) -> Callable[..., None]:
    """As `served`, for what lives in a namespace: adds `-n`, too, which `here` follows."""
    return _with(function, namespace=Namespace, server=Server)


def placed_with(**options: tuple[Any, Any]) -> Callable[[Callable[P, int | None]], Callable[..., None]]:
    """As `placed`, with more options, each (annotation, default), that the function takes as `**`."""

    def made(function: Callable[P, int | None]) -> Callable[..., None]:
        return _with(function, options, namespace=Namespace, server=Server)

    return made


def _with(
    function: Callable[P, int | None], options: Mapping[str, tuple[Any, Any]] | None = None, **added: Any
) -> Callable[..., None]:
    """A command with more options than its function has parameters; `added` are in `_chosen` while it runs."""

    @functools.wraps(function)
    def chosen(*args: Any, **kwargs: Any) -> int | None:
        with asked_for(**{name: kwargs.pop(name, None) for name in added}):
            try:
                return function(*args, **kwargs)
            except NotFound as error:
                if "namespace" in added and str(error).endswith(_UNSEEN):
                    raise NotFound(f"{error}: looked in the namespace {here()}, -n says another", error.said) from error
                raise

    told = command(chosen)
    signature = inspect.signature(function, eval_str=True)
    own = [one for one in signature.parameters.values() if one.kind is not inspect.Parameter.VAR_KEYWORD]
    keyword = inspect.Parameter.KEYWORD_ONLY
    more = {**(options or {}), **{name: (annotation, None) for name, annotation in added.items()}}
    parameters = [
        *own,
        *(inspect.Parameter(name, keyword, default=default, annotation=kind) for name, (kind, default) in more.items()),
    ]
    told.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what typer reads
    told.__annotations__ = {one.name: one.annotation for one in parameters}
    return told


@contextmanager
def asked_for(server: str | None = None, namespace: str | None = None) -> Iterator[None]:
    """While this lasts, these are --server and -n."""
    token = _chosen.set(Chosen(server, namespace))
    try:
        yield
    finally:
        _chosen.reset(token)


def exit_code(error: BluenoError) -> Exit:
    """Of an error."""
    if isinstance(error, TimeoutError):
        return Exit.NOT_IN_TIME
    if isinstance(error, Rejected):
        return Exit.NOT_PERMITTED if error.status in (401, 403) else Exit.USAGE
    kinds: dict[type[BluenoError], Exit] = {
        InvalidSpec: Exit.USAGE,
        NotFound: Exit.NOT_FOUND,
        Conflict: Exit.CONFLICT,
        Unavailable: Exit.UNAVAILABLE,
    }
    return next((code for kind, code in kinds.items() if isinstance(error, kind)), Exit.FAILED)


def say(text: str) -> None:
    """One line for the person, on standard error; a closed one does not matter."""
    try:
        print(spoken.as_called(text), file=sys.stderr, flush=True)
    except OSError:
        return


def out(text: str) -> None:
    """A result, on standard output. Signs that the terminal's encoding lacks are replaced."""
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "replace").decode(encoding) + "\n")


def settings() -> Settings:
    """--server, else the person's variables, else the current context. Raises BluenoError with what to do."""
    from blueno.client import kube

    return kube.resolve(_chosen.get().server, None, variables())


def is_server_named() -> bool:
    """Whether --server or BLUENO_SERVER says which."""
    return bool(_chosen.get().server or os.environ.get(names.ENV_SERVER))


def client() -> Client:
    """The server of `settings`, as the person of its token."""
    from blueno.client import Client

    return Client(_chosen.get().server)


def here(in_file: str | None = None) -> str:
    """The namespace: -n, else BLUENO_NAMESPACE, else what a file says, else that of the context, else default."""
    named = _chosen.get().namespace or os.environ.get(names.ENV_NAMESPACE)
    return named or in_file or settings().namespace or "default"


def variables() -> dict[str, str]:
    """The person's environment, for local runs."""
    return dict(os.environ)


def is_terminal(stream: IO[str]) -> bool:
    """Whether a person looks at it, and it can do more than print lines."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def has_colours(stream: IO[str]) -> bool:
    """Colours only for people who want them: https://no-color.org."""
    return is_terminal(stream) and not os.environ.get("NO_COLOR")


def pairs(texts: Sequence[str], option: str) -> dict[str, str]:
    """`KEY=VALUE` texts as a dictionary. Raises BadParameter."""
    found = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise typer.BadParameter(f"{text!r} is not written as {option}", param_hint=option.split()[0])
        found[key] = value
    return found
