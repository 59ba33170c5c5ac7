"""What the image target `postgres` runs, run here: first start, kills at every step, a changed password, the end."""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from tests import pg
from tests.ports import free_port

START = Path(__file__).resolve().parents[2] / "deploy" / "images" / "postgres" / "start.py"
SECONDS = 40
# A Python below /root cannot be started by another user: it imports what the script needs, and then becomes that user.
AS_ANOTHER = """
import os, sys
uid, gid, script = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
loaded = {"__name__": "start"}
exec(compile(open(script).read(), script, "exec"), loaded)
os.setgroups([]), os.setgid(gid), os.setuid(uid)
sys.exit(loaded["main"](sys.argv[4:]))
"""


class Place:
    """A claim, a Secret and the container's /tmp, of one user."""

    def __init__(self, folder: Path) -> None:
        self.claim, self.tmp, self.password_file = folder / "claim", folder / "tmp", folder / "password"
        self.port = free_port()
        for made in (self.claim, self.tmp):
            made.mkdir()
        if os.geteuid() == 0:
            for path in (folder, self.claim, self.tmp):
                shutil.chown(path, pg.UNPRIVILEGED)
        self.running: list[subprocess.Popen[str]] = []

    def start(self, password: str | None = "first-canary", *arguments: str, **env: str) -> subprocess.Popen[str]:
        if password is not None:
            self.password_file.write_text(password + "\n")
            self.password_file.chmod(0o644)
        given = {
            "PATH": os.environ["PATH"], "PGDATA": str(self.claim / "pgdata"), "BLUENO_SOCKETS": str(self.tmp),
            "BLUENO_PASSWORD_FILE": str(self.password_file), "BLUENO_POSTGRES_PORT": str(self.port),
            "BLUENO_LOCK_SECONDS": "20", **env,
        }  # fmt: skip
        process = subprocess.Popen(
            [*interpreter(), START, *arguments], env=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            cwd=self.tmp, start_new_session=True,
        )  # fmt: skip
        self.running.append(process)
        return process

    def ready(self) -> bool:
        return self.start(None, "ready").wait(SECONDS) == 0

    def wait_ready(self, process: subprocess.Popen[str]) -> None:
        deadline = time.monotonic() + SECONDS
        while not self.ready():
            assert process.poll() is None, process.stdout and process.stdout.read()
            assert time.monotonic() < deadline
            time.sleep(0.1)

    def ask(self, statement: str, password: str = "first-canary", **where: Any) -> list[tuple[Any, ...]]:
        given = {"host": "127.0.0.1", "user": "blueno", "password": password, "dbname": "blueno", **where}
        connection = psycopg2.connect(port=self.port, connect_timeout=5, **given)
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def kill(self, process: subprocess.Popen[str]) -> None:
        """As the end of a container: every process of it at once, frozen first so that none makes another."""
        frozen: list[int] = []
        found = [process.pid]
        while found:
            for pid in found:
                send(pid, signal.SIGSTOP)
            frozen += found
            found = [child for pid in frozen for child in children(pid) if child not in frozen]
        for pid in frozen:
            send(pid, signal.SIGKILL)
        process.communicate(timeout=SECONDS)
        deadline = time.monotonic() + SECONDS
        while any(runs(pid) for pid in frozen):
            assert time.monotonic() < deadline
            time.sleep(0.01)


def send(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # it ended by itself
        os.kill(pid, number)


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def interpreter() -> list[str]:
    """The command before the script."""
    if os.geteuid() != 0:
        return [sys.executable]
    user = pwd.getpwnam(pg.UNPRIVILEGED)
    return [sys.executable, "-c", AS_ANOTHER, str(user.pw_uid), str(user.pw_gid)]


def children(parent: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            head, _, tail = stat.read_text().rpartition(")")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(tail.split()[1]) == parent:
            found.append(int(head.partition(" ")[0]))
    return found


@pytest.fixture
def place() -> Iterator[Place]:
    with tempfile.TemporaryDirectory(prefix="pg-") as folder:
        made = Place(Path(folder))
        yield made
        for process in made.running:
            if process.poll() is None:
                made.kill(process)
            assert process.stdout is not None
            process.stdout.close()


def stop(process: subprocess.Popen[str]) -> str:
    """SIGTERM, as the kubelet sends it; what was logged."""
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, output
    return output


def test_first_start_kill_start_and_fast_shutdown(place: Place) -> None:
    assert not place.ready()
    process = place.start()
    place.wait_ready(process)
    place.ask("CREATE TABLE kept AS SELECT 7 AS n")
    assert place.ask("SELECT rolsuper, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = 'blueno'") == [
        (False, False, False)
    ]
    assert place.ask("SELECT pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate FROM pg_database "
                     "WHERE datname = 'blueno'") == [("blueno", "UTF8", "C.UTF-8")]  # fmt: skip
    place.kill(process)
    assert (place.claim / "pgdata" / "postmaster.pid").exists(), "what a killed server leaves"
    assert (place.tmp / f".s.PGSQL.{place.port}.lock").exists()
    process = place.start()
    place.wait_ready(process)
    assert place.ask("SELECT n FROM kept") == [(7,)]
    idle = psycopg2.connect(host="127.0.0.1", port=place.port, user="blueno", password="first-canary", dbname="blueno")
    log = stop(process)  # though a client is connected
    idle.close()
    assert "fast shutdown" in log
    assert "canary" not in log
    assert oct((place.claim / "pgdata").stat().st_mode & 0o777) == "0o700"


def test_only_the_password_opens_from_outside(place: Place) -> None:
    place.wait_ready(place.start('it\'s; "odd" \\ canary%'))
    assert place.ask("SELECT 1", password='it\'s; "odd" \\ canary%') == [(1,)]
    for other in ({"password": "wrong"}, {"user": "postgres", "dbname": "postgres"}):
        with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
            place.ask("SELECT 1", **other)
    stored = pg_shadow(place)
    assert stored.startswith("SCRAM-SHA-256$")


def pg_shadow(place: Place) -> str:
    """As the container's own user, over the socket, without a password."""
    command = [pg.BIN / "psql", "-h", place.tmp, "-p", str(place.port), "-U", "postgres", "-Atc"]
    query = "SELECT passwd FROM pg_shadow WHERE usename = 'blueno'"
    done = subprocess.run([*command, query], capture_output=True, text=True, check=True, **pg._identity())
    return done.stdout.strip()


def test_a_changed_password_is_applied_at_the_next_start(place: Place) -> None:
    process = place.start("old-canary")
    place.wait_ready(process)
    place.ask("CREATE TABLE kept ()", password="old-canary")
    stop(process)
    place.wait_ready(place.start("new-canary"))
    assert place.ask("SELECT count(*) FROM kept", password="new-canary") == [(0,)]
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        place.ask("SELECT 1", password="old-canary")


STEPS = ("pgdata.new/PG_VERSION", "pgdata.new/global/pg_control", "pgdata", "pgdata/pg_ident.conf")


@pytest.mark.parametrize("after", STEPS)
def test_a_kill_in_the_middle_of_the_first_start_heals(place: Place, after: str) -> None:
    process = place.start()
    deadline = time.monotonic() + SECONDS
    while not (place.claim / after).exists():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.001)
    place.kill(process)
    place.wait_ready(place.start())
    assert place.ask("SELECT 1") == [(1,)]
    assert not (place.claim / "pgdata.new").exists()


def test_sigterm_before_there_is_a_server_ends_at_once(place: Place) -> None:
    process = place.start()
    while not (place.claim / "lock").exists():
        assert process.poll() is None
        time.sleep(0.005)
    stop(process)
    place.wait_ready(place.start())


def test_two_on_one_volume_never_run_at_once(place: Place) -> None:
    first = place.start()
    place.wait_ready(first)
    second = place.start(BLUENO_LOCK_SECONDS="0.3", BLUENO_POSTGRES_PORT=str(free_port()))
    output, _ = second.communicate(timeout=SECONDS)
    assert second.returncode == 1
    assert "another PostgreSQL runs on" in output
    assert place.ask("SELECT 1") == [(1,)]
    os.kill(first.pid, signal.SIGKILL)  # the script alone: its server still writes, and holds the lock
    third = place.start(BLUENO_LOCK_SECONDS="0.3")
    output, _ = third.communicate(timeout=SECONDS)
    assert "another PostgreSQL runs on" in output
    postmaster = int((place.claim / "pgdata" / "postmaster.pid").read_text().split()[0])
    os.kill(postmaster, signal.SIGINT)
    place.wait_ready(place.start())


@pytest.mark.parametrize("password", ["", "  ", "two\nlines", "nul\0"])
def test_no_password_no_server(place: Place, password: str) -> None:
    process = place.start(password)
    output, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 1
    assert re.fullmatch(r"/.*/password holds no password .*\n", output)
    assert not (place.claim / "pgdata").exists()


def test_a_damaged_directory_is_told_without_the_password(place: Place) -> None:
    (place.claim / "pgdata").mkdir(mode=0o700)
    if os.geteuid() == 0:
        shutil.chown(place.claim / "pgdata", pg.UNPRIVILEGED)
    output, _ = place.start().communicate(timeout=SECONDS)
    assert "cannot be configured" in output
    assert "canary" not in output
    assert "Traceback" not in output


def test_the_password_is_in_no_argument_and_no_environment(place: Place) -> None:
    process = place.start()
    place.wait_ready(process)
    owner = pwd.getpwnam(pg.UNPRIVILEGED).pw_uid if os.geteuid() == 0 else os.geteuid()
    pids = [process.pid]
    for pid in pids:
        pids += children(pid)
    looked_at = 0
    for pid in pids:
        place_of = Path("/proc") / str(pid)
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a worker that has just ended
            assert pid == process.pid or place_of.stat().st_uid == owner
            for name in ("cmdline", "environ"):
                assert b"canary" not in (place_of / name).read_bytes()
            looked_at += 1
    assert looked_at > 4


def test_anything_else_is_a_wrong_use(place: Place) -> None:
    output, _ = place.start("x", "what").communicate(timeout=SECONDS)
    assert output == "usage: start.py [ready]\n"
