"""How many examples properties are tried with (tests/fuzz.py)."""

from __future__ import annotations

from hypothesis import settings

from tests.fuzz import EXAMPLES, MANY, scaled


def test_a_soak_takes_more_and_other_examples_than_the_tests_do() -> None:
    small, large = settings.get_profile("blueno"), settings.get_profile("soak")
    assert (small.max_examples, small.derandomize) == (EXAMPLES, True) == (60, True)
    assert (large.max_examples, large.derandomize, large.print_blob) == (MANY, False, True)
    assert small.deadline is large.deadline is None


def test_a_property_with_a_number_of_its_own_takes_more_in_a_soak_too() -> None:
    before = settings.default
    try:
        settings.load_profile("blueno")
        assert scaled(40) == 40
        settings.load_profile("soak")
        assert scaled(40) == 40 * MANY // EXAMPLES
    finally:
        assert before is not None
        settings.register_profile("before", before)
        settings.load_profile("before")
