"""blueno/resources/nfs.py: who may use which export."""

from __future__ import annotations

import pytest

from blueno.resources.nfs import AllowedNfs, covering, parse_allowed, parse_mount_options

ML = AllowedNfs("nfs.example.org", "/exports/ml", ("team-*", "lab"))


@pytest.mark.parametrize(
    ("server", "path", "namespace", "may"),
    [
        ("nfs.example.org", "/exports/ml", "team-a", True),
        ("NFS.Example.ORG", "/exports/ml", "team-a", True),
        ("nfs.example.org", "/exports/ml/imagenet", "lab", True),
        ("nfs.example.org", "/exports/mlops", "lab", False),
        ("nfs.example.org", "/exports", "lab", False),
        ("nfs.example.org", "/", "lab", False),
        ("nfs.example.org", "/exports/ml", "laboratory", False),
        ("nfs.example.org", "/exports/ml", "Team-a", False),
        ("nfs.example.org.evil.example", "/exports/ml", "lab", False),
        ("10.0.0.7", "/exports/ml", "lab", False),
    ],
)
def test_who_may(server: str, path: str, namespace: str, may: bool) -> None:
    assert bool(covering((ML,), server, path, namespace)) is may


def test_the_root_covers_everything_on_its_server() -> None:
    assert covering((AllowedNfs("s", "/", ("*",)),), "s", "/any/thing", "x")
    assert not covering((AllowedNfs("s", "/", ("*",)),), "t", "/", "x")


def test_every_entry_that_covers_counts() -> None:
    shared = AllowedNfs("nfs.example.org", "/exports", ("lab",), ("shared/",))
    assert covering((ML, shared), "nfs.example.org", "/exports/ml", "lab") == (ML, shared)
    assert covering((ML, shared), "nfs.example.org", "/exports/ml", "team-a") == (ML,)


def test_prefixes_end_at_a_component() -> None:
    text = '[{"server": "s", "path": "/", "namespaces": ["*"], "subPaths": ["shared", "a/b/"]}]'
    assert parse_allowed(text) == (AllowedNfs("s", "/", ("*",), ("shared/", "a/b/")),)


def test_mount_options_are_a_list() -> None:
    assert parse_mount_options(" nfsvers=3, mountport=20048 ,") == ("nfsvers=3", "mountport=20048")
    assert parse_mount_options("") == ()
