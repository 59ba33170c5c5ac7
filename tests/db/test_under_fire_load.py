"""A version on its way into PostgreSQL, its connection cut anywhere (row 16): all of its rows, or none of them."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from blueno.db.config import DatabaseConfig
from blueno.db.connect import Connection, connect, cut
from blueno.db.ingest import VersionMeta, load_version
from blueno.errors import BluenoError, Unavailable
from tests import pg
from tests.db.loading import SAMPLES, partitions
from tests.db.mirroring import uid_of
from tests.db.recording import World, a_world, done
from tests.db.sample_model import a_meta, a_table
from tests.proxies.postgres import TO_CLIENT, TO_SERVER, BlackHole, CutAt, CutCommit, PostgresProxy

POINTS = 16  # each way


@pytest.fixture
def proxy(shared_server: pg.Server) -> Iterator[PostgresProxy]:
    with PostgresProxy(shared_server.port) as proxy:
        yield proxy


def rows(connection: Connection, meta: VersionMeta) -> int | None:
    """How many samples of a version there are; None when there is no such version."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (SELECT count(*) FROM projection.sample s WHERE s.version_id = v.id) FROM projection.version v "
            "WHERE v.dataset_uid = %s AND v.digest = %s",
            (meta.dataset_uid, meta.digest),
        )
        found = cursor.fetchall()
    connection.rollback()
    assert len(found) <= 1, "one version, not two"
    return int(found[0][0]) if found else None


def load(database: DatabaseConfig, meta: VersionMeta) -> None:
    connection = connect(database, application="loader")
    try:
        load_version(connection, meta, a_table(SAMPLES))
    finally:
        connection.close()


def sweep(
    database: DatabaseConfig, connection: Connection, proxy: PostgresProxy, way: str, points: int
) -> dict[int | None, int]:
    """Cut a load at so many places; what was there after each cut, counted. Each is made good by loading again."""
    through = proxy.before(database)
    load(through, a_meta(SAMPLES, dataset_uid=str(uuid.uuid4())))
    total = proxy.passed()[way]
    outcomes: dict[int | None, int] = {}
    for number in range(points):
        meta = a_meta(SAMPLES, dataset_uid=str(uuid.uuid4()))
        with proxy.fault(CutAt(way, total * number // points)), pytest.raises(BluenoError) as raised:
            load(through, meta)
        assert isinstance(raised.value, Unavailable), "not now, and never: the data set is to blame"
        found = rows(connection, meta)
        assert found in (None, len(SAMPLES)), f"cut after {total * number // points} of {total} bytes {way}"
        outcomes[found] = outcomes.get(found, 0) + 1
        load(database, meta)
        assert rows(connection, meta) == len(SAMPLES)
    assert len(partitions(connection)) == points + 1, "no table of a load that failed is left"
    return outcomes


@pytest.mark.parametrize("way", [TO_SERVER, TO_CLIENT])
def test_cut_after_any_number_of_bytes_all_rows_or_none(
    database: DatabaseConfig, connection: Connection, proxy: PostgresProxy, way: str
) -> None:
    outcomes = sweep(database, connection, proxy, way, POINTS)
    assert outcomes[None] > POINTS // 2


@pytest.mark.soak
@pytest.mark.parametrize("way", [TO_SERVER, TO_CLIENT])
def test_cut_after_any_of_a_thousand_numbers_of_bytes(
    database: DatabaseConfig, connection: Connection, proxy: PostgresProxy, way: str
) -> None:
    assert sweep(database, connection, proxy, way, 1000)[None] > 500


@pytest.mark.parametrize("committed", [True, False])
def test_a_commit_whose_outcome_is_unknown_is_resolved_by_looking(
    database: DatabaseConfig, connection: Connection, proxy: PostgresProxy, committed: bool
) -> None:
    meta = a_meta(SAMPLES)
    with proxy.fault(CutCommit(done=committed), times=1), pytest.raises(Unavailable):
        load(proxy.before(database), meta)
    assert rows(connection, meta) == (len(SAMPLES) if committed else None)
    load(proxy.before(database), meta)
    assert rows(connection, meta) == len(SAMPLES)
    assert len(partitions(connection)) == 1


@pytest.mark.parametrize("committed", [True, False])
async def test_the_recorder_loads_once_whatever_becomes_of_its_commits(
    database: DatabaseConfig, proxy: PostgresProxy, tmp_path: Path, committed: bool
) -> None:
    uid = uid_of(1)
    async with a_world(database, tmp_path) as world:
        assert isinstance(world, World)
        world.dataset(uid)
        digest = world.seal(uid, 3)
        with proxy.fault(CutCommit(done=committed), times=4) as cut:
            async with world.recorder(database=proxy.before(database)):
                await done(world, uid, digest)
                assert world.loaded(uid) == [(digest, 1, 6)]
                assert "Failed" not in world.operator.states(uid), "the data set is not to blame"
            assert cut.fired == 4


def test_what_is_under_way_ends_at_once_while_postgresql_is_silent(
    database: DatabaseConfig, proxy: PostgresProxy
) -> None:
    """As when a recorder stops: nobody waits for a server that does not answer."""
    connection = connect(proxy.before(database), application="test", statement_timeout_ms=120_000)
    ended: list[BaseException] = []

    def ask() -> None:
        try:
            connection.cursor().execute("SELECT 1")
        except psycopg2.Error as error:
            ended.append(error)

    asking = threading.Thread(target=ask)
    with proxy.fault(BlackHole()) as silence:
        asking.start()
        while not silence.fired:
            asking.join(0.05)
        cut(connection)
        asking.join(60)
        assert (len(ended), asking.is_alive()) == (1, False)
    connection.close()
    cut(connection)  # which is no error
