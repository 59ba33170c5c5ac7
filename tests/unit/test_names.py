"""blueno/names.py: names stay legal for the longest input, and tell re-creations apart."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from blueno import names

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
dns_labels = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", fullmatch=True)
longest = st.from_regex(r"[a-z0-9][-a-z0-9]{61}[a-z0-9]", fullmatch=True)
uids = st.uuids().map(str)
works = st.from_regex(r"[0-9a-f]{16}", fullmatch=True)


@given(dns_labels | longest, uids, works, st.integers(1, 99), st.integers(0, 9999))
def test_job_and_pod_names_fit_a_label(name: str, uid: str, work: str, attempt: int, index: int) -> None:
    for job in (names.prep_job_name(name, uid, work, attempt), names.erase_job_name(name, uid)):
        pod = f"{job}-{index}"
        assert len(pod) <= 63
        assert LABEL.fullmatch(pod)


@given(dns_labels | longest, uids)
def test_claim_names_fit_a_label(name: str, uid: str) -> None:
    claim = names.claim_name(name, uid)
    assert len(claim) <= 49
    assert LABEL.fullmatch(claim)
    assert LABEL.fullmatch(names.volume_name(uid))
    assert LABEL.fullmatch(names.label_value(name))


def test_a_name_cut_at_a_dash_gets_no_double_dash() -> None:
    name = "a" * 23 + "-" + "b" * 20
    assert names.prep_job_name(name, "0a1b2c3d-1111", "f" * 16, 1) == "a" * 23 + "-0a1b2c3d-prep-ffffffff-a1"


def test_names_tell_attempts_works_and_recreations_apart() -> None:
    made = {
        names.prep_job_name("mnist", uid, work, attempt)
        for uid in ("0a1b2c3d-1", "0a1b2c3e-1")
        for work in ("1" * 16, "2" * 16)
        for attempt in (1, 2, 11)
    }
    assert len(made) == 12
    assert names.default_subpath("lab", "mnist", "0a1b2c3d-1") != names.default_subpath("lab", "mnist", "0a1b2c3e-1")
