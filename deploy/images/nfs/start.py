"""Starts the NFS server of image target `nfs`: nfs-ganesha serving /export, with the portmapper NFSv3 registers at.

Called by the image's entry point; calls rpcbind and ganesha.nfsd. Its readiness probe is ready.py. Standard library
only. BLUENO_NFS_FSID is the number that names the file system in clients' handles: the same at every start, or clients
lose the files they have open. Needs /run, /tmp and /var/lib/nfs writable, and of capabilities no more than
DAC_READ_SEARCH (files are opened by their handle), DAC_OVERRIDE, CHOWN, FOWNER, FSETID, SETUID and SETGID (the server
acts as whoever asks). Seccomp must be Unconfined: containerd's default profile refuses name_to_handle_at. Without
NET_BIND_SERVICE the portmapper has no port 111: NFSv3 clients need port=2049,mountport=20048.
Tested by tests/unit/deploy/test_nfs_image.py and tests/e2e/test_nfs_server.py.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import FrameType

EXPORT = Path("/export")
OWNER = 65532  # of Blueno's own images
RUN = Path("/run")
RECOVERY = Path("/var/lib/nfs/ganesha")
PORTMAPPER = RUN / "rpcbind.sock"
# What is unanswered when the server is told to stop gets this long.
STOP_SECONDS = 20
START_SECONDS = 10

# Graceless: after a restart clients go on at once. Data sets need no locks; a pause of 90 s is felt.
# fsid_type None: handles name files by inode alone, so that they stay good when the volume comes back as another
# device, as it does on another node. Everybody writes as who they are: root of a client is root here.
CONFIG = """NFS_CORE_PARAM {{
  Protocols = 3, 4;
  NFS_Port = 2049;
  MNT_Port = 20048;
  Enable_NLM = false;
  Enable_RQUOTA = false;
  Enable_UDP = false;
}}
NFSv4 {{
  Graceless = true;
  RecoveryBackend = fs;
  RecoveryRoot = {recovery};
}}
NFS_KRB5 {{
  Active_krb5 = false;
}}
EXPORT {{
  Export_Id = 1;
  Path = {export};
  Pseudo = {export};
  Access_Type = RW;
  Squash = No_Root_Squash;
  SecType = sys;
  Transports = TCP;
  Filesystem_Id = {fsid}.1;
  FSAL {{
    Name = VFS;
    fsid_type = None;
  }}
}}
LOG {{
  Default_Log_Level = EVENT;
}}
"""


class Stopped(Exception):
    """SIGTERM came."""


def main() -> int:
    """The server's exit code; 0 when it was told to stop, 1 with a sentence when it cannot run."""
    # PID 1 has no default action: without this SIGTERM would be passed over.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    started: list[subprocess.Popen[bytes]] = []
    try:
        config = RUN / "ganesha.conf"
        config.write_text(configuration(os.environ))
        prepare_export(EXPORT)
        prepare_places()
        return serve(config, started)
    except Stopped:
        return 0
    except (OSError, ValueError) as error:
        sys.stderr.write(f"the NFS server cannot start: {error}\n")
        return 1
    finally:
        for process in reversed(started):
            end(process)


def configuration(environment: Mapping[str, str]) -> str:
    """ganesha's configuration file. Raises ValueError when BLUENO_NFS_FSID is no usable number."""
    given = environment.get("BLUENO_NFS_FSID", "")
    # 0 would be "choose one", and ganesha keeps 64 bits.
    if not given.isascii() or not given.isdecimal() or not 0 < int(given) < 2**63:
        raise ValueError(f"BLUENO_NFS_FSID={given[:40]!r}: set a number from 1 to 2^63-1, the same at every start")
    return CONFIG.format(export=EXPORT, fsid=int(given), recovery=RECOVERY)


def prepare_export(export: Path) -> None:
    """The export belongs to Blueno, and everybody may make directories there, as in /tmp."""
    if not export.is_dir():
        raise ValueError(f"{export} is no directory: mount the volume with the data there")
    os.chown(export, OWNER, OWNER)
    export.chmod(0o1777)


def prepare_places() -> None:
    """Directories and links that the programs expect; what a container before left is forgotten."""
    for place in (RUN / "rpcbind", RUN / "ganesha", RECOVERY):
        place.mkdir(parents=True, exist_ok=True)
    # libmount reads the exported file systems from it. Without it every export fails while the process looks healthy.
    mtab = Path("/etc/mtab")
    if not mtab.exists():
        mtab.unlink(missing_ok=True)
        mtab.symlink_to("/proc/self/mounts")
    PORTMAPPER.unlink(missing_ok=True)


def serve(config: Path, started: list[subprocess.Popen[bytes]]) -> int:
    """Run both programs until one ends; its exit code, never 0: the container has to be started again."""
    started.append(subprocess.Popen(["rpcbind", "-f"]))
    wait_for(PORTMAPPER, started[0])
    arguments = ["-F", "-L", "/dev/stdout", "-p", str(RUN / "ganesha.pid"), "-f", str(config)]
    started.append(subprocess.Popen(["ganesha.nfsd", *arguments]))
    while True:
        for process in started:
            code = process.poll()
            if code is not None:
                sys.stderr.write(f"{process.args[0]} ended by itself with {code}\n")  # type: ignore[index]
                return code if code > 0 else 1
        # A signal ends the sleep.
        time.sleep(0.5)


def wait_for(path: Path, process: subprocess.Popen[bytes]) -> None:
    """Until the socket accepts: NFSv3 is registered through it, and ganesha gives up at once when it cannot."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(str(path))
                return
            except OSError:
                time.sleep(0.02)
    raise ValueError(f"the portmapper (rpcbind) does not answer at {path} after {START_SECONDS} s")


def end(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM, and SIGKILL when it does not help."""
    if process.poll() is not None:
        return
    try:
        process.terminate()
    except PermissionError:
        # rpcbind has become its own user, and signals to others would be one capability more: it ends with process 1.
        return
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _stop(number: int, _frame: FrameType | None) -> None:
    # Once: a second signal must not interrupt the orderly end.
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, signal.SIG_IGN)
    raise Stopped(signal.Signals(number).name)


if __name__ == "__main__":
    sys.exit(main())
