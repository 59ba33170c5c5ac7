"""Bugs in the operator, planted into the real code, in a world of real parts (stand.py): each is caught."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from blueno import names
from blueno.prep import __main__ as prep
from blueno.prep import erase, guard, prepare
from blueno.resources import conditions
from controllers.dataset import decide, deletion, status, words
from controllers.objects import job, volume
from controllers.sweep import Sweep
from controllers.training_run import build as run_build
from controllers.training_run import case
from controllers.training_run import decide as run_decide
from controllers.training_run import words as run_words
from tests.checker import Invariant, Snapshot, assert_sound
from tests.unit.checker import stories
from tests.unit.checker.bugs import Bug, named
from tests.unit.checker.stand import Stand, a_stand

EARLY = Invariant.EARLY_TRUTH
BUGS = (
    Bug("Ready while it prepares", stories.changed_while_it_prepares, status._conditions,
        "ready = step.ready or usable", "ready = step.ready or usable or step.reconciling",
        EARLY, "is Ready without a version"),
    Bug("a run on a version of its own making", stories.settled, case.Case.pinned,
        "view.use.name: view.digest", "view.use.name: '0' * 64", EARLY, "which was never sealed"),
    Bug("a run that does not say what it reads", stories.settled, run_build.build_job,
        "json.dumps(dict(attempt.pinned), sort_keys=True)", "'{}'", EARLY, "without a version of data set mnist"),
    Bug("a failed run that has completed", stories.a_failed_run, run_decide.job_has_completed,
        'alone.phase == "Succeeded"', 'alone.phase in ("Succeeded", "Failed")', EARLY, "its Job has failed"),
    Bug("a directory without its guard", stories.two_on_one_directory, guard.check_owner,
        "if recorded == config.dataset_uid and same_cluster:", "if recorded and same_cluster:",
        EARLY, "no directory is its own"),
    Bug("counts that are not the volume's", stories.settled, words.sealed_status,
        '"samples": outcome.samples,', '"samples": outcome.samples + outcome.bad_samples,',
        Invariant.CONSERVATION, "status.samples is 9"),
    Bug("the end of a run told anew", stories.a_run_whose_job_is_removed_afterwards, run_decide.run_is_over,
        "if not case.run.ended or", "if True or", Invariant.REPLAY, "it had ended as"),
    Bug("an outcome that nobody reads", stories.settled, decide.job_has_sealed,
        "not job.outcome.done", "job.outcome.done", Invariant.PROGRESS, "is Complete, and its status does not"),
    Bug("a generation that is never acknowledged", stories.a_new_version, status.project_status,
        "else dataset.generation", "else 1", Invariant.PROGRESS, "generation 2 was not acted on"),
    Bug("a Job that is not made again", stories.job_deleted_by_hand, decide.job_is_gone,
        "return replace(_start(case, case.wanted.following()), confirm=doubt)",
        'return Step(Reason.PREPARING, "its Job is gone", reconciling=True)',
        Invariant.PROGRESS, "neither a Job of that attempt nor a pod"),
    Bug("data that is not erased", stories.deleted, erase.erase, "_remove(parts[-1], parent)", "pass",
        Invariant.DELETION, "was to be erased"),
    Bug("volumes that nobody sweeps away", stories.kept, Sweep._remove_orphans, "held = set()", "return",
        Invariant.DELETION, "which is gone, and holds nothing"),
    Bug("a finalizer that stays", stories.deleted, deletion._release, "finalizer=False", "finalizer=None",
        Invariant.DELETION, "nobody does it"),
    Bug("a claim deleted though its data is kept", stories.kept, Sweep._remove_orphans,
        "owner is None or not is_static(claim) or", "owner is None or",
        Invariant.DELETION, "reclaimPolicy was Retain"),
    Bug("two Jobs at once", stories.changed_while_it_prepares, decide.earlier_work_still_runs,
        "if not old:", "if True:", Invariant.FENCING, "2 Jobs at once"),
    Bug("a pod that is not waited for", stories.job_deleted_and_its_pod_goes_on, decide.job_is_gone,
        "any(pod.may_write(case.now) for pod in case.seen.stray_pods)", "False",
        Invariant.FENCING, "are at work at once"),
    Bug("a preparation's name used twice", stories.job_deleted_by_hand, names.prep_job_name,
        "-a{attempt}", "-a1", Invariant.FENCING, "its name tells neither"),
    Bug("a training's name used twice", stories.settled, names.train_job_name,
        "-{uid8(uid)}", "", Invariant.FENCING, "its name tells neither"),
    Bug("claims that belong to their Dataset", stories.settled, volume._claim,
        '"labels": labels(owner, names.ROLE_DATA),',
        '"labels": labels(owner, names.ROLE_DATA), "ownerReferences": [{"uid": owner.uid}],',
        Invariant.FENCING, "has an owner reference"),
    Bug("a code of no list", stories.too_many_bad_samples, prepare.Attempt.failed, "code=failure.code", "code='Oops'",
        Invariant.HONESTY, "failed with code 'Oops'"),
    Bug("exit code 0 on partial work", stories.too_many_bad_samples, prep._tell,
        "return PERMANENT_EXIT_CODE if outcome.permanent else 1", "return 0",
        Invariant.HONESTY, "ended with exit code 0 and says Failed"),
    Bug("a stack trace for people", stories.too_many_bad_samples, prepare.prepare,
        "failure = from_error(attempt.blame(error), config.root)",
        "import traceback; failure = PrepFailure('PrepFailed', traceback.format_exc(), permanent=True)",
        Invariant.HONESTY, "tells people 'Traceback"),
    Bug("a Job in another namespace", stories.settled, job.build_job,
        '"namespace": owner.namespace', '"namespace": "lab"', Invariant.TENANCY, "in another namespace"),
    Bug("directories without their namespace", stories.settled, names.default_subpath, "{namespace}/", "",
        Invariant.TENANCY, "does not lie below"),
    Bug("a sentence without a limit", stories.too_many_bad_samples, conditions.advance,
        "shorten(condition.message, MESSAGE_LIMIT)", "condition.message", Invariant.BOUNDS, "has a sentence of"),
    Bug("a password in the status", stories.a_failed_run, run_words.last_lines, "scrub(text)", "text",
        Invariant.SECRECY, "shows secret"),
)  # fmt: skip
STORIES = (
    *(stories.settled, stories.a_new_version, stories.changed_while_it_prepares, stories.job_deleted_by_hand),
    *(stories.job_deleted_and_its_pod_goes_on, stories.deleted, stories.kept, stories.deleted_and_made_again),
    *(stories.a_failed_run, stories.a_run_before_its_data_set, stories.a_run_whose_job_is_removed_afterwards),
    *(stories.too_many_bad_samples, stories.two_on_one_directory),
)
Story = Callable[[Stand], Awaitable[Snapshot]]


@pytest.mark.parametrize("story", STORIES)
async def test_nothing_is_found_without_a_bug(tmp_path: Path, story: Story) -> None:
    async with a_stand(tmp_path) as stand:
        assert_sound(await story(stand))


@named(BUGS)
async def test_a_planted_bug_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bug: Bug) -> None:
    bug.plant(monkeypatch)
    async with a_stand(tmp_path) as stand:
        bug.assert_caught(await bug.story(stand))
