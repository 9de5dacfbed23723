"""Parts of an expected shortfall add up to it."""

from pathlib import Path

import numpy as np
import pytest
from campaign_cases import small_campaign, small_plan, small_totals

from stress.campaign import plan
from stress.decide.euler import DIRECT, MEASURES, attributions, check_tail, exposure_shares
from stress.errors import InputError
from stress.tail import expected_shortfall


@pytest.fixture(scope="module")
def found():
    return attributions(small_plan(), small_totals())


def test_every_split_adds_up_to_the_expected_shortfall(found) -> None:
    for name, total in small_totals().items():
        for measure in MEASURES:
            part = found[name][measure]
            whole = float(expected_shortfall(total.by_path[measure], 0.99).value)
            assert part.shortfall == whole
            scale = max(1.0, abs(whole))
            for split in (part.account, part.group, part.asset):
                assert abs(split.sum() - whole) <= 1e-9 * scale
            assert abs(sum(part.mechanism.values()) - whole) <= 1e-9 * scale
            assert part.gap <= 1e-9
    assert found["crash"]["bad_debt"].shortfall > 0


def test_groups_hold_their_accounts(found) -> None:
    """Order of the groups: looper, carry, trader, lender; the traders have the bad debt."""
    part = found["crash"]["bad_debt"]
    assert part.group == pytest.approx(
        [part.account[:2].sum(), part.account[2], part.account[3:5].sum(), part.account[5]]
    )
    assert part.mechanism == {DIRECT: pytest.approx(part.shortfall)}


def test_exposure_by_hand() -> None:
    """The standard account: 0.1 BTC and 20 HYPE isolated; the lender: nothing."""
    built = small_plan()
    shares = exposure_shares(built.campaign.book, built.inputs)
    assets = built.inputs.assets
    btc, hype = 0.1 * 78730.0, 20 * 84.0
    row = shares[4]
    assert row[assets.index("BTC")] == pytest.approx(btc / (btc + hype))
    assert row[assets.index("HYPE")] == pytest.approx(hype / (btc + hype))
    assert shares[5, -1] == 1 and np.allclose(shares.sum(axis=1), 1)
    assert shares[0, assets.index("HYPE")] == 1


def test_a_tail_of_a_broken_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="paths: found 5050; allowed: a multiple of 100"):
        check_tail(plan(small_campaign(tmp_path, ("paths", 5050))))
