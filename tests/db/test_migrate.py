"""Numbered SQL from every older number, by several at once, refused when it does not fit."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import psycopg2
import pytest

from blueno.db import migrate as module
from blueno.db.config import DatabaseConfig
from blueno.db.connect import connect
from blueno.db.errors import QueryRefused, SchemaMismatch, SchemaMissing
from blueno.db.migrate import check, ensure_projection, known, migrate
from blueno.errors import Unavailable
from tests import pg
from tests.db.conftest import Connect

ALL = [f"{m.schema}/{m.number:04}_{m.name}" for series in known().values() for m in series]
OLDER = [(record, projection) for record in range(7) for projection in range(9)]


def schema_of(server: pg.Server, config: DatabaseConfig) -> str:
    """The whole definition of a database, as pg_dump tells it."""
    url = config.url_file.read_text().strip()
    done = subprocess.run([pg.BIN / "pg_dump", "--schema-only", url], capture_output=True, text=True, check=True)
    # Newer pg_dumps write a random key into the lines \restrict and \unrestrict.
    return "\n".join(line for line in done.stdout.splitlines() if not line.startswith("\\"))


def up_to(folder: Path, record: int, projection: int) -> Path:
    """A program as it was when it knew only so many migrations."""
    for schema, number in (("record", record), ("projection", projection)):
        (folder / schema).mkdir(parents=True)
        for path in sorted((module.FOLDER / schema).glob("*.sql"))[:number]:
            shutil.copy(path, folder / schema)
    return folder


def test_numbers_run_from_one_without_gaps() -> None:
    for schema, series in known().items():
        assert [m.number for m in series] == list(range(1, len(series) + 1)), schema
        assert all(m.schema == schema and m.name and m.sql for m in series)
    assert set(OLDER) >= {(len(known()["record"]), len(known()["projection"]))}, "a new migration: extend OLDER"


@pytest.mark.parametrize(("record", "projection"), OLDER)
def test_every_older_number_becomes_the_newest(
    record: int, projection: int, shared_server: pg.Server, database: DatabaseConfig, connected: Connect,
    empty_database: DatabaseConfig, tmp_path: Path,
) -> None:  # fmt: skip
    connection = connected(empty_database)
    old = migrate(connection, up_to(tmp_path / "old", record, projection))
    assert len(old) == record + projection
    assert old + migrate(connection) == sorted([*old, *(name for name in ALL if name not in old)], key=(
        lambda name: (name not in old, ALL.index(name))
    ))  # fmt: skip
    assert migrate(connection) == []
    assert schema_of(shared_server, empty_database) == schema_of(shared_server, database)
    with connection.cursor() as cursor:
        check(cursor)


def test_two_migrators_at_once_apply_everything_once(empty_database: DatabaseConfig, connected: Connect) -> None:
    connections = [connected(empty_database) for _ in range(4)]
    applied: list[list[str]] = []
    start = threading.Barrier(len(connections))

    def one(connection: object) -> None:
        start.wait()
        applied.append(migrate(connection))  # type: ignore[arg-type]

    threads = [threading.Thread(target=one, args=(connection,)) for connection in connections]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(name for names in applied for name in names) == sorted(ALL)


def test_a_second_migrator_waits_longer_than_its_statements_may_take(
    database: DatabaseConfig, connected: Connect
) -> None:
    holder, waiter = connected(), connected(statement_timeout_ms=200)
    holder.cursor().execute("SELECT pg_advisory_xact_lock(%s)", (module._LOCK,))
    release = threading.Timer(1.0, holder.rollback)
    release.start()
    assert migrate(waiter) == []
    release.join()


def test_waiting_for_another_migrator_has_an_end(connected: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOCK_SECONDS", 0)
    connected().cursor().execute("SELECT pg_advisory_xact_lock(%s)", (module._LOCK,))
    with pytest.raises(Unavailable, match="another migration has been running"):
        migrate(connected())


def test_a_migration_that_fails_leaves_nothing_and_can_be_repeated(
    empty_database: DatabaseConfig, connected: Connect, tmp_path: Path
) -> None:
    connection = connected(empty_database)
    broken = up_to(tmp_path, len(known()["record"]), 2)
    text = (broken / "projection" / "0002_samples.sql").read_text()
    (broken / "projection" / "0002_samples.sql").write_text(text + "SELECT 1 / 0;")
    with pytest.raises(QueryRefused, match="division by zero"):
        migrate(connection, broken)
    with connection.cursor() as cursor:
        with pytest.raises(SchemaMismatch, match=r"schema projection is at number 1, this program needs \d+"):
            check(cursor)
        cursor.execute("SELECT to_regclass('projection.sample')")
        assert cursor.fetchone() == (None,)
    connection.rollback()
    assert migrate(connection)[0] == "projection/0002_samples"


def test_a_database_of_a_newer_program_is_refused(connection: psycopg2.extensions.connection) -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO record.migration VALUES (7, 'of_the_future')")
        connection.commit()
        for refuse in (lambda: migrate(connection), lambda: check(cursor)):
            with pytest.raises(SchemaMismatch, match="record has migration 0007_of_the_future"):
                refuse()


def test_check_says_what_is_missing(empty_database: DatabaseConfig, connected: Connect, tmp_path: Path) -> None:
    connection = connected(empty_database)
    with connection.cursor() as cursor:
        with pytest.raises(SchemaMissing, match=r"schema record is not there: run `python -m blueno\.db migrate`"):
            check(cursor)
        migrate(connection, up_to(tmp_path, len(known()["record"]), 0))
        with pytest.raises(SchemaMissing, match="schema projection is not there"):
            check(cursor)


def test_a_dropped_projection_is_made_again(
    shared_server: pg.Server, database: DatabaseConfig, connection: psycopg2.extensions.connection
) -> None:
    before = schema_of(shared_server, database)
    assert ensure_projection(connection) is False
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM projection.stream")
        first = cursor.fetchone()
        cursor.execute("DROP SCHEMA projection CASCADE")
        connection.commit()
        with pytest.raises(SchemaMissing):
            check(cursor)
        connection.rollback()
        assert ensure_projection(connection) is True
        check(cursor)
        cursor.execute("SELECT id FROM projection.stream")
        assert cursor.fetchone() != first, "another life of the schema"
    connection.rollback()
    assert schema_of(shared_server, database) == before


def test_two_make_the_projection_again_at_once(connected: Connect) -> None:
    connections = [connected() for _ in range(4)]
    with connections[0].cursor() as cursor:
        cursor.execute("DROP SCHEMA projection CASCADE")
    connections[0].commit()
    made: list[bool] = []
    threads = [threading.Thread(target=lambda c=c: made.append(ensure_projection(c))) for c in connections]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == [False, False, False, True]


def test_another_encoding_is_refused(shared_server: pg.Server, tmp_path: Path) -> None:
    shared_server.admin(f"CREATE DATABASE latin OWNER {pg.ROLE} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    (tmp_path / "url").write_text(shared_server.url("latin"))
    connection = connect(DatabaseConfig(tmp_path / "url"), application="test")
    try:
        with pytest.raises(QueryRefused, match="encoding is LATIN1"):
            migrate(connection)
    finally:
        connection.close()
        shared_server.admin("DROP DATABASE latin")


def test_the_init_container_waits_for_the_database_and_says_so(server: pg.Server) -> None:
    with server.database(migrated=False) as config:
        server.stop()
        waiting = run_migrate(config.url_file)
        assert waiting.stdout is not None
        line = waiting.stdout.readline()
        said = r"waiting for PostgreSQL \(\d+ s\): PostgreSQL does not answer: connection to server"
        assert re.match(said, line), line
        server.start()
        rest, _ = waiting.communicate(timeout=30)
        assert waiting.returncode == 0
        assert rest.splitlines()[-1] == "migrate: " + ", ".join(ALL)
        again = run_migrate(config.url_file)
        assert again.communicate(timeout=30)[0] == "migrate: nothing to do\n"


def test_the_init_container_refuses_with_a_sentence() -> None:
    for url_file, code, said in (("", 1, "BLUENO_DATABASE_URL_FILE: must name a file"), ("x", 2, "usage")):
        done = run_migrate(Path(url_file), *(["what"] if code == 2 else ["migrate"]))
        output, _ = done.communicate(timeout=30)
        assert done.returncode == code
        assert said in output
        assert "Traceback" not in output


def run_migrate(url_file: Path, verb: str = "migrate") -> subprocess.Popen[str]:
    env = {"BLUENO_DATABASE_URL_FILE": str(url_file) if url_file.name else ""}
    command = [sys.executable, "-m", "blueno.db", verb]
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
