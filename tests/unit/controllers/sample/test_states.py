"""Every reason of a Sample is reached by the rules, has a sentence, and is what waiting tools take it for."""

from __future__ import annotations

import pytest

from blueno.resources.sample_reasons import SAMPLE_REASONS
from blueno.resources.sample_reasons import SampleReason as R
from tests.contract.sample_states import STATES, name_of
from tests.fakes.kstatus import KStatus, evaluate


@pytest.mark.parametrize("reason", [reason for reason in STATES if reason != R.PENDING], ids=name_of)
def test_the_rules_lead_there(reason: R) -> None:
    state = STATES[reason]()
    assert state.world.ready(state.body)[1] == reason
    doc = SAMPLE_REASONS[reason]
    leaving = reason is R.REMOVING
    wanted = KStatus.FAILED if doc.stalled else KStatus.IN_PROGRESS if doc.healable else KStatus.CURRENT
    assert evaluate(state.body) is (KStatus.TERMINATING if leaving else wanted)


def test_every_reason_has_a_state_and_a_sentence() -> None:
    assert set(STATES) == set(R) == set(SAMPLE_REASONS)
    for reason, doc in SAMPLE_REASONS.items():
        assert not (doc.stalled and doc.healable), reason
        assert doc.meaning[0].isupper(), reason
        assert doc.meaning.endswith("."), reason
