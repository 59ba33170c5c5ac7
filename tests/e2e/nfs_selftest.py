"""What a program may expect of a mount, checked on two mounts of one export: nfs_selftest.py DIRECTORY OTHER.

Run as root inside a pod by test_nfs_mount.py; standard library only. Prints what it has checked; fails with a trace.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import errno
import hashlib
import mmap
import os
import random
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

FILES = 500
BIG = 20 << 20
DICE = random.Random(1)

# As uid 1000, with or without a supplementary group that owns the directory.
AS_A_MEMBER = """
import os, sys
os.setgroups([7777] if sys.argv[2] == 'member' else []); os.setgid(1000); os.setuid(1000)
path = sys.argv[1] + '/made'
open(path, 'w').close()
assert (os.stat(path).st_uid, os.stat(path).st_gid) == (1000, 7777)
descriptor = os.open(sys.argv[1] + '/read-only', os.O_CREAT | os.O_WRONLY, 0o400)
os.write(descriptor, b'x'); os.close(descriptor)
"""


def names(top: Path) -> set[str]:
    return {path.name for path in top.iterdir()}


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def write(path: Path, data: bytes) -> None:
    """Written, and on the server's disk."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def refused(number: int) -> Iterator[None]:
    """The error that has to come."""
    try:
        yield
    except OSError as error:
        assert error.errno == number, error
        return
    raise AssertionError(f"no {errno.errorcode[number]}")


def many_files(top: Path, other: Path) -> None:
    """Created, synced, renamed; the other mount sees the same."""
    wanted = {}
    for number in range(FILES):
        data = DICE.randbytes(DICE.randrange(0, 20000))
        write(top / "new", data)
        (top / "new").rename(top / f"f{number}")
        wanted[f"f{number}"] = digest(data)
    for place in (top, other):
        assert names(place) == set(wanted)
        assert all(digest((place / name).read_bytes()) == known for name, known in wanted.items())
    for name in wanted:
        (top / name).unlink()


def close_to_open(top: Path, other: Path) -> None:
    """What was closed on one mount is read by whoever opens it afterwards on the other."""
    write(other / "theirs", b"B" * 5000)
    assert (top / "theirs").read_bytes() == b"B" * 5000
    write(top / "theirs", b"A" * 70000)
    assert (other / "theirs").read_bytes() == b"A" * 70000
    with (top / "theirs").open("ab") as file:
        file.write(b"C")
    assert (other / "theirs").read_bytes()[-1:] == b"C"
    (other / "theirs").unlink()
    with refused(errno.ENOENT):
        (top / "theirs").open()


def mapped(top: Path, other: Path) -> None:
    """Memory maps, random reads, truncation."""
    big = os.urandom(BIG)
    write(top / "big", big)
    with (top / "big").open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as view:
        assert digest(bytes(view)) == digest(big)
    with (top / "big").open("rb") as file:
        for _ in range(200):
            offset, count = DICE.randrange(BIG), DICE.randrange(9000)
            assert os.pread(file.fileno(), count, offset) == big[offset : offset + count]
    with (top / "big").open("r+b") as file, mmap.mmap(file.fileno(), 0) as view:
        view[1000:1004] = b"abcd"
        view.flush()
    assert (other / "big").read_bytes()[1000:1004] == b"abcd"
    os.truncate(top / "big", 1234567)
    os.truncate(top / "big", 2000000)
    assert (top / "big").read_bytes()[1234567:] == bytes(2000000 - 1234567)


def metadata(top: Path, _: Path) -> None:
    """Modes, owners, times, links, names, errors."""
    room = os.statvfs(top)
    assert room.f_blocks and room.f_bavail and room.f_namemax == 255
    path = top / "m"
    write(path, b"x")
    path.chmod(0o640)
    os.utime(path, (1e9, 1.5e9))
    os.chown(path, 1234, 4321)
    now = path.stat()
    assert (stat.S_IMODE(now.st_mode), now.st_mtime, now.st_atime) == (0o640, 1.5e9, 1e9)
    assert (now.st_uid, now.st_gid) == (1234, 4321)
    (top / "s").symlink_to("m")
    (top / "h").hardlink_to(path)
    assert (top / "s").read_bytes() == b"x" and path.stat().st_nlink == 2 and (top / "h").samefile(path)
    os.mkfifo(top / "fifo")
    with refused(errno.EEXIST):
        os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    with refused(errno.ENOTEMPTY):
        top.rmdir()
    with refused(errno.EEXIST):
        path.mkdir()
    with refused(errno.ENAMETOOLONG):
        (top / ("x" * 256)).touch()
    write(top / "ünï ☃", b"u")
    assert "ünï ☃" in names(top)


def removed_while_open(top: Path, _: Path) -> None:
    """A file lives until its last close, and leaves nothing."""
    with (top / "open").open("w+b") as file:
        file.write(b"still here")
        file.flush()
        (top / "open").unlink()
        assert not (top / "open").exists()
        file.seek(0)
        assert file.read() == b"still here"
    write(top / "old", b"old")
    write(top / "new", b"new")
    with (top / "old").open("rb", 0) as file:
        (top / "new").rename(top / "old")
        assert file.read() == b"old" and (top / "old").read_bytes() == b"new"
    with tempfile.TemporaryFile(dir=top) as file:
        file.write(b"z" * 9999)
    end = time.monotonic() + 60  # the client takes away what it kept in its own time
    while [name for name in names(top) if name.startswith(".nfs")]:
        assert time.monotonic() < end, names(top)
        time.sleep(0.05)


def replaced(top: Path, other: Path) -> None:
    """A reader of a file that is replaced all the time sees an old or a new one, never a part and never none."""
    stop = time.monotonic() + 3
    write(top / "now", b"0" * 4096)

    def replace() -> int:
        count = 0
        while time.monotonic() < stop:
            count += 1
            write(top / "next", str(count % 10).encode() * 4096)
            (top / "next").rename(top / "now")
        return count

    def look(path: Path) -> tuple[int, int]:
        seen = stale = 0
        while time.monotonic() < stop:
            try:
                data = path.read_bytes()
            except OSError as error:  # as with any NFSv3: replaced between lookup and open, or by another client
                assert error.errno == errno.ESTALE, error
                stale += 1
                continue
            assert len(data) == 4096 and len(set(data)) == 1
            seen += 1
        return seen, stale

    with concurrent.futures.ThreadPoolExecutor() as pool:
        made, looks = pool.submit(replace), [pool.submit(look, place / "now") for place in (top, other)]
        seen = [each.result() for each in looks]
        print(f"{made.result()} replacements, (reads, stale handles) {seen}")
    assert all(reads > 10 * stale for reads, stale in seen)


def groups(top: Path, _: Path) -> None:
    """The server hears the caller's supplementary groups."""
    shared = top / "group"
    shared.mkdir()
    os.chown(shared, 0, 7777)
    shared.chmod(0o2770)

    def run(how: str) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-c", AS_A_MEMBER, str(shared), how]
        return subprocess.run(command, capture_output=True, check=False)

    assert run("stranger").returncode != 0
    done = run("member")
    assert done.returncode == 0, done.stderr


CHECKS: tuple[Callable[[Path, Path], None], ...] = (
    many_files, close_to_open, mapped, metadata, removed_while_open, replaced, groups,
)  # fmt: skip


def main() -> None:
    """Every check in a directory of its own, which goes away afterwards."""
    first, second = (Path(given) for given in sys.argv[1:3])
    for check in CHECKS:
        started = time.monotonic()
        top = first / f"selftest-{check.__name__}"
        shutil.rmtree(top, ignore_errors=True)
        top.mkdir()
        check(top, second / top.name)
        shutil.rmtree(top)
        assert not top.exists()
        print(f"{check.__name__}: {time.monotonic() - started:.1f} s", flush=True)
    print("ALL OK")


if __name__ == "__main__":
    main()
