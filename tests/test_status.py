"""Every outcome of a path has a name, a number and a sentence."""

from models import status


def test_numbers_are_places_in_the_table():
    assert status.NAMES[status.OK] == "ok"
    assert status.NAMES[status.NON_FINITE] == "non_finite"
    assert status.NAMES[status.PRICE_RANGE] == "price_range"
    assert status.NAMES[status.ROUND_LIMIT] == "round_limit"
    assert status.NAMES[status.EMPTY_DEPTH] == "empty_depth"
    assert status.NAMES[status.RESIDUAL] == "residual"


def test_every_outcome_is_named_once_and_told_in_a_sentence():
    numbers = [v for k, v in vars(status).items() if k.isupper() and isinstance(v, int)]
    assert sorted(numbers) == list(range(len(status.NAMES)))
    assert tuple(status.STATUS) == status.NAMES
    for sentence in status.STATUS.values():
        assert sentence.endswith(".") and sentence[0].isupper()
