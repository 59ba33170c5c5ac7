"""An NFS server outside the cluster: ganesha on this machine, at the address that nodes and pods reach.

Used by the NFS tests and bench/nfs_read.py. It runs from the files of image `nfs` in namespaces of its own, so nothing
is installed and nothing is left: its processes end with the test, its volume is unmounted. It can be killed, restarted,
made read-only or root-squashing, and has a second export on a volume of 60 MB that fills up.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.kube import TOP
from tests.e2e.nfs_image import unpacked

from clusterlib import processes  # isort: skip  kube.py puts hack/ on the path
from clusterlib.layout import cache_dir, cluster_name  # isort: skip

LARGE, SMALL = "/exports/ml", "/exports/small"
SMALL_MB = 60
_READY = TOP / "deploy" / "images" / "nfs" / "ready.py"
_START_SECONDS = 120
_PR_SET_PDEATHSIG = 1

_CORE = """NFS_CORE_PARAM {{ Protocols = 3, 4; NFS_Port = 2049; MNT_Port = 20048; Bind_addr = {address};
  Enable_NLM = false; Enable_RQUOTA = false; Enable_UDP = false; }}
NFSv4 {{ Graceless = true; RecoveryBackend = fs; RecoveryRoot = /var/lib/nfs/ganesha; }}
NFS_KRB5 {{ Active_krb5 = false; }}
"""
_EXPORT = """EXPORT {{ Export_Id = {number}; Path = {path}; Pseudo = {path}; Access_Type = {access}; Squash = {squash};
  SecType = sys; Transports = TCP; Filesystem_Id = 77.{number}; FSAL {{ Name = VFS; fsid_type = None; }} }}
"""
# The root is the image's files; what the programs write to lies in the server's own directory or in memory. rpcbind
# without NET_BIND_SERVICE opens no port: port 111 of this machine may be somebody's, and ganesha asks its socket only.
_RUN = """
set -eu
tree=$1 own=$2
for name in ml small; do mkdir -p $tree/exports/$name; mount --bind $own/$name $tree/exports/$name; done
mount -t proc proc $tree/proc
mount --rbind /dev $tree/dev
mount -t tmpfs -o mode=755 tmpfs $tree/run
mkdir -p $own/state/ganesha $tree/run/rpcbind $tree/run/ganesha
mount --bind $own/state $tree/var/lib/nfs
cp $own/ganesha.conf $tree/run/ganesha.conf
exec chroot $tree /bin/sh -c '
setpriv --bounding-set=-net_bind_service --inh-caps=-net_bind_service rpcbind -f &
until [ -S /run/rpcbind.sock ]; do sleep 0.02; done
exec ganesha.nfsd -F -L /dev/stdout -p /run/ganesha.pid -f /run/ganesha.conf'
"""


class NfsServer:
    """One server. `large` and `small` are the exported directories as this machine sees them."""

    def __init__(self, address: str, place: Path) -> None:
        self.address, self._place = address, place
        self.large, self.small = place / "ml", place / "small"
        self._process: subprocess.Popen[bytes] | None = None
        self._leave_nothing()
        for path in (self.large, self.small):
            path.mkdir(parents=True)
        subprocess.run(["truncate", "-s", f"{SMALL_MB}M", place / "volume"], check=True)
        # Nothing reserved for root: the figure that df shows is what there is.
        subprocess.run(["mkfs.ext4", "-q", "-m", "0", place / "volume"], check=True)
        self.plug_in()
        for path in (self.large, self.small):
            path.chmod(0o1777)

    @property
    def log(self) -> Path:
        """What ganesha says."""
        return self._place / "ganesha.log"

    def plug_in(self) -> None:
        """Mount the small volume; each time it may be another device."""
        subprocess.run(["mount", "-o", "loop", self._place / "volume", self.small], check=True)

    def unplug(self) -> None:
        """Unmount it; the server must not run."""
        subprocess.run(["umount", self.small], check=True)

    def occupy_device(self, number: int) -> Callable[[], None]:
        """Take the loop device that the small volume had (`st_dev`), so that the next `plug_in` gets another one; the
        answer gives it back. Tests beside this one may have been quicker: then it is taken, too.
        """
        path = self._place / "other"
        subprocess.run(["truncate", "-s", "1M", path], check=True)
        device = f"/dev/loop{os.minor(number)}"
        self._let_go(Path(f"/sys/block/loop{os.minor(number)}/loop/backing_file"))
        taken = subprocess.run(["losetup", device, path], check=False, capture_output=True).returncode == 0

        def give_back() -> None:
            if taken:
                subprocess.run(["losetup", "--detach", device], check=True)

        return give_back

    def _let_go(self, backing: Path) -> None:
        """Until the kernel has taken the small volume off a device, which it may do after the unmounting."""
        end = time.monotonic() + 60
        with contextlib.suppress(OSError):  # then there is nothing on it
            while backing.read_text().strip() == str(self._place / "volume"):
                assert time.monotonic() < end, f"{backing} is still the small volume's"
                time.sleep(0.05)

    def start(self, *, read_only: bool = False, squash: str = "No_Root_Squash") -> None:
        """Run until `kill` or `stop`; returns when both exports are served."""
        assert self._process is None, "it runs already"
        access = "RO" if read_only else "RW"
        exports = [
            _EXPORT.format(number=number, path=path, access=access, squash=squash)
            for number, path in enumerate((LARGE, SMALL), 1)
        ]
        (self._place / "ganesha.conf").write_text(_CORE.format(address=self.address) + "".join(exports))
        # --kill-child: the end of unshare, by whatever signal, is the end of both programs.
        namespaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
        command = [*namespaces, "sh", "-c", _RUN, "sh", str(unpacked()), str(self._place)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, preexec_fn=_end_with_parent
            )
        deadline = time.monotonic() + _START_SECONDS
        while not self.serves():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise AssertionError(f"no NFS server at {self.address}:\n{self.log.read_text()[-3000:]}")
            time.sleep(0.1)

    def serves(self) -> bool:
        """Whether a client gets both exports."""
        code = f"import sys; sys.path.insert(0, {str(_READY.parent)!r}); import ready\n"
        code += "".join(f"ready.probe({self.address!r}, export={path!r})\n" for path in (LARGE, SMALL))
        return subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0

    def kill(self) -> None:
        """SIGKILL, in the middle of whatever it does."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM."""
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        # Process 1 of the namespaces, whose end is the end of the other; unshare, which waits for it, is left alone.
        for pid in processes.children(process.pid):
            os.kill(pid, number)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def free(self) -> int:
        """Bytes free on the small volume."""
        now = os.statvfs(self.small)
        return now.f_bavail * now.f_frsize

    def fill(self, leave: int) -> Path:
        """Another writer: a file on the small volume, after which about `leave` bytes are free."""
        path = self.small / "somebody-elses-file"
        size = 0
        with path.open("wb") as file, contextlib.suppress(OSError):  # the file system's own blocks count, too
            while (more := min(self.free() - leave, 1 << 20)) > 0:
                os.posix_fallocate(file.fileno(), size, more)
                size += more
        assert self.free() <= leave + (1 << 17), "the fault fired"
        return path

    def empty(self) -> None:
        """Remove what earlier tests left on the small volume."""
        for path in self.small.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()

    def close(self) -> None:
        """End it and remove all it had."""
        self.kill()
        self._leave_nothing()

    def _leave_nothing(self) -> None:
        # Also what a test run that was killed has left.
        while subprocess.run(["mountpoint", "-q", self.small], check=False).returncode == 0:
            subprocess.run(["umount", self.small], check=True)
        shutil.rmtree(self._place, ignore_errors=True)


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


@contextmanager
def running(address: str) -> Iterator[NfsServer]:
    """A server at that address, in a directory of the cache: tmpfs would have no handles that survive a restart."""
    server = NfsServer(address, cache_dir() / "nfs-tests" / cluster_name())
    try:
        server.start()
        yield server
    finally:
        server.close()
