"""Branches of the cascade oracle worked by hand, one small account each."""

import math

import pytest
from cascade_oracle_examples import SECONDS, account, play
from cascade_oracle_impact import Impact, fill_share

near = pytest.approx
HOUR, TEN_MINUTES = (0.0, 1.0), (0.0, 3 * SECONDS, 3 * SECONDS + 1 / 6)


def test_small_position_is_sold_whole_and_pays_for_the_depth():
    # X = 79000 - 78200 = 800 between 2/3 and all of MM = 79000/80 = 987.5
    r = play([account("cross", -78200.0, {"BTC": 1.0})], {"BTC": [1, 79 / 80]}, depth=1e7)
    fill = 79000 * math.exp(-79000 / 1e7 / 2)
    assert r["size"][0]["BTC"] == 0.0 and r["cash"][0] == near(fill - 78200)
    assert r["x"]["BTC"][1] == near(-0.0079) and r["slippage"] == near(79000 - fill)
    assert r["book_notional"] == near(79000) and r["first"] == [1]
    assert r["first_state"][0] == near({"X": 800, "loan": 0, "V": 0, "N": 79000,
                                        "ratio": 987.5 / 800})  # fmt: skip


@pytest.mark.parametrize(("equity", "left", "rounds"), [(1800, 1.6, 1), (1450, 0.0, 2)])
def test_large_position_goes_by_a_fifth_then_whole_in_the_cooldown(equity, left, rounds):
    # 2 BTC at 79000: MM 1975, after a fifth 1580
    r = play([account("cross", equity - 158000.0, {"BTC": 2.0})], {"BTC": [1, 79 / 80]})
    assert r["size"][0]["BTC"] == near(left) and r["rounds"][1] == rounds
    assert r["events"]["book_cooldown"] == rounds - 1


def adl_example(**change):
    """A long that loses 10,000 on 1 BTC with X = -8,500, and a short winner of 0.4 BTC."""
    people = [
        account("cross", -78500.0, {"BTC": 1.0}),
        account("cross", 60000.0, {"BTC": -0.4}, entry={"BTC": 90000.0}),
    ]
    return play(people, {"BTC": [1, 7 / 8]}, vault_capital=1000.0, **change)


def test_adl_closes_winners_at_the_previous_mark_and_the_rest_is_uncovered():
    r = adl_example()  # phi = 0.85 offered, 0.4 filled
    assert r["size"][1]["BTC"] == 0.0 and r["cash"][1] == near(60000 - 0.4 * 80000)
    assert r["cash"][0] == 0.0 and r["vault"]["size"]["BTC"] == near(0.6)
    assert r["adl_notional"] == near(32000) and r["paid_adl"] == near(4000)
    assert r["shortfall"] == near(8500) and r["backstop_notional"] == near(42000)
    assert r["uncovered"] == near(8500 - 4000 - 1000)
    assert r["vault"]["cash"] == near(1000 - 78500 + 32000 + 3500)


def test_vault_deleverages_when_its_own_equity_is_gone():
    # A = 300 > 0 is handed over at 79000; the next step takes 10 % off 1 BTC of the vault
    people = [
        account("cross", -78700.0, {"BTC": 1.0}),
        account("cross", 200000.0, {"BTC": -2.0}, entry={"BTC": 90000.0}),
    ]
    moves, hours = {"BTC": [1, 79 / 80, 71.1 / 80]}, (0.0, 1e-9, 2e-9)
    r = play(people, moves, hours=hours, vault_capital=600.0)
    assert r["paid_adl"] == near(7900 - 300 - 600, rel=1e-5)
    assert r["uncovered"] == near(0, abs=1e-2) and r["events"]["vault_adl"] == 1
    assert r["margin_kept"] == near(300)


@pytest.mark.parametrize(("seconds", "taken"), [(3, 1), (6, 2), (3600, 3)])
def test_partial_takeover_by_fifths_until_healthy(seconds, taken):
    # 1000 HYPE at 30: w_p 24750 < D 26000 < w_f 26500
    people = [account("portfolio", -26000.0, supplied={"HYPE": 1000.0})]
    r = play(people, {"HYPE": [1, 0.75]}, hours=(0.0, seconds * SECONDS))
    units, debt = 1000.0, 26000.0 * r_growth(seconds)
    for _ in range(taken):
        debt -= 0.2 * units * 30
        units *= 0.8
    assert r["supplied"][0]["HYPE"] == near(units) and r["cash"][0] == near(-debt)
    assert r["takeover"]["held"]["HYPE"] == near(1000 - units)
    assert r["events"]["partial"] == taken and r["surplus_kept"] == 0.0


def r_growth(seconds):
    """Debt growth at the flat 5 % a year."""
    return math.exp(0.05 * seconds / 3600 / 8760)


@pytest.mark.parametrize(("price", "surplus", "short"), [(28.0, 2000, 0), (25.0, 0, 1000)])
def test_full_takeover_pays_the_debt_and_keeps_the_surplus(price, surplus, short):
    people = [account("portfolio", -26000.0, supplied={"HYPE": 1000.0})]
    r = play(people, {"HYPE": [1, price / 40]})
    assert r["cash"][0] == 0.0 and r["supplied"][0]["HYPE"] == 0.0 and r["P"][0] == 0.0
    assert r["takeover"]["cash"] == near(-26000) and r["takeover_value"] == near(1000 * price)
    assert r["surplus_kept"] == near(surplus, abs=1e-3)
    assert r["shortfall"] == near(short, abs=1e-3)


def loss_example(**change):
    """1000 HYPE taken at 25 for 26,000; half is sold: a loss of 500 (interest is < 0.2)."""
    people = [
        account("portfolio", -26000.0, supplied={"HYPE": 1000.0}),
        account("portfolio", 40000.0),
    ]
    change = {"supply": [80000.0] * 3, "borrow": [50000.0] * 3, "takeover_capital": 100.0} | change
    return play(people, {"HYPE": [1, 25 / 40, 25 / 40]}, hours=TEN_MINUTES, **change)


def test_realised_loss_goes_to_capital_buffer_and_suppliers():
    r = loss_example()
    loss = r["paid_takeover_capital"] + r["paid_buffer"] + r["paid_suppliers"]
    assert loss == near(500, abs=0.2) and r["paid_takeover_capital"] == 100.0
    assert r["paid_buffer"] > 0 and r["buffer"] == near(0, abs=1e-12)
    # the second account lends half of the reserve, the outside the other half
    assert r["cash"][1] == near(40000 - r["paid_suppliers"] / 2, abs=0.1)
    assert r["written_off"] == near(r["paid_suppliers"] / 2, rel=1e-3)
    assert r["takeover"]["held"]["HYPE"] == near(500)
    assert r["takeover"]["cash"] == near(-13000, abs=0.1)


def test_a_loss_beyond_the_reserve_is_uncovered():
    # the pool knows a loan of 10 only (user cap), the takeover pays the whole debt of 1,000
    people = [account("portfolio", -1000.0), account("portfolio", 5.0)]
    change = {"supply": [100.0] * 2, "borrow": [90.0] * 2, "user_borrow_cap": 10.0}
    r = play(people, {}, **change)
    assert r["first"][0] == 0 and r["paid_suppliers"] == near(100)
    assert r["uncovered"] == near(900) and r["residual_cash"] == near(0, abs=1e-9)


def unfunded_example(**change):
    """1 BTC long; R = 8000, X = 1000, loan 7000; at 71000 nothing more can be lent."""
    people = [account("portfolio", -79000.0, {"BTC": 1.0}, {"HYPE": 1000.0})]
    change = {"supply": [5e4] * 2, "borrow": [5e4] * 2} | change
    return play(people, {"BTC": [1, 71 / 80]}, **change)


def test_position_that_the_reserve_cannot_fund_is_closed():
    r = unfunded_example()  # X = -8000, X + P = -1000 < MM = 887.5; PMR = 0.30
    assert r["events"]["unfunded"] == 1 and r["size"][0]["BTC"] == 0.0
    assert r["first_state"][0]["loan"] == near(7000) and r["first_state"][0]["ratio"] < 0.5
    assert r["utilization"] == near([1.0, 1.0])
    free = unfunded_example(reserve_liquidity_limits_credit=False)
    assert free["first"] == [None] and free["P"][0] == near(15100) and free["queued"][1] > 0


def test_draws_share_what_the_reserve_has():
    # two borrowers want 8100 more each (R falls by 900, X by 9000), 4050 is free
    people = [account("portfolio", -79000.0, {"BTC": 1.0}, {"HYPE": 1e4}) for _ in range(2)]
    r = play(people, {"BTC": [1, 71 / 80]}, supply=[54050.0] * 2, borrow=[5e4] * 2)
    assert r["P"] == near([7000 + 2025] * 2, abs=0.1) and r["first"] == [None, None]
    assert r["refused"][1] == near(2 * (8100 - 2025), abs=0.1)


def test_a_run_queues_and_utilization_is_one():
    r = play([account("cross", 1.0)], {}, supply=[2e5, 5e4], borrow=[1e5, 1e5])
    assert r["queued"] == near([0, 5e4]) and r["utilization"] == near([0.5, 1.0])
    assert r["supply"][1] == near(1e5)


def test_vault_absorbs_a_debt_without_positions():
    r = play([account("unified", -50.0)], {}, vault_capital=1000.0)
    assert r["cash"] == [0.0] and r["vault"]["cash"] == near(950) and r["shortfall"] == near(50)
    assert r["first"] == [0] and r["rounds"] == [1, 0]


def test_portfolio_handover_takes_equity_and_credit():
    # at 44000: X = -35000, C_liq 35062.5 (UBTC 0.75 of 46750); X + C = 62.5 < 2/3 of 550
    people = [account("portfolio", -79000.0, {"BTC": 1.0}, {"UBTC": 1.0625})]
    r = play(people, {"BTC": [1, 0.55]})
    assert r["margin_kept"] == near(62.5, abs=0.1) and r["backstop_notional"] == near(44000)
    assert r["vault"]["size"]["BTC"] == 1.0 and r["events"]["handover_portfolio"] == 1


@pytest.mark.parametrize(("coin", "margin", "debt"), [(0, 500, 12500), (1, 0, 12000)])
def test_borrows_first_alternates_with_perps(coin, margin, debt):
    # HYPE at 25: X -21000, w_p 20625, w_f 22083, MM 1000.
    # coin 0: a fifth (X -16000, C 16500), handover of X + C = 500, a fifth (D 12500).
    # coin 1: handover of X + C < 0, so margin 0, then two fifths (D 21000 - 5000 - 4000).
    people = [account("portfolio", -101000.0, {"BTC": 1.0}, {"HYPE": 1000.0}, coin=coin)]
    r = play(people, {"HYPE": [1, 0.625]}, hours=HOUR)
    assert r["rounds"][1] == 3 and r["events"]["partial"] == 2
    assert r["events"]["handover_portfolio"] == 1
    assert r["margin_kept"] == near(margin, abs=1) and r["cash"][0] == near(-debt, abs=1)


def test_vault_sells_half_in_a_half_life():
    moves = {"BTC": [1, 79 / 80, 79 / 80]}
    r = play([account("cross", -78700.0, {"BTC": 1.0})], moves, hours=TEN_MINUTES)
    assert r["vault"]["size"]["BTC"] == near(0.5)
    assert r["vault"]["cash"] == near(1e6 - 78700 + 0.5 * 79000)
    assert r["makers_cash"] == near(-0.5 * 79000)


def test_vault_withdraws_what_it_lent_when_it_is_poor():
    people = [account("unified", -600.0)]
    r = play(people, {}, vault_capital=1000.0, vault_lent_share=1.0)
    assert r["vault"]["lent"] == near(400, rel=1e-6) and r["vault"]["cash"] == near(400, rel=1e-6)


def test_funding_and_interest_of_an_hour():
    people = [account("cross", -70000.0, {"BTC": 1.0}), account("portfolio", 1000.0)]
    r = play(people, {}, hours=HOUR, funding=1e-3, supply=[1e5] * 2, borrow=[8e4] * 2)
    assert r["cash"][0] == near(-70080) and r["makers_cash"] == near(80)
    earned = math.expm1(0.05 * 0.8 * 0.9 / 8760)
    assert r["cash"][1] == near(1000 * (1 + earned), rel=1e-12)
    assert r["borrowers_cash"] == near(-8e4 * math.expm1(0.05 / 8760))


def test_nothing_is_done_where_the_depth_is_used_up():
    # 10000 of 79000 are sold; X = 793 stays below MM = 862 and above 2/3 of it
    people = [account("cross", -78200.0, {"BTC": 1.0})]
    r = play(people, {"BTC": [1, 79 / 80]}, depth=1e8, reach=1e-4)
    assert r["book_notional"] == near(10000) and r["overshoot"]["BTC"] == near(1e-4)
    assert r["size"][0]["BTC"] == near(1 - 10 / 79)
    assert r["status"] == "empty_depth" and r["rounds"] == [0, 1]


def test_impact_shapes():
    root = Impact({"shape": "square_root", "scale": 1.0, "volatility": 0.04, "volume": 1e6}, 0.02)
    assert root.displacement(-1e5) == near(-0.04 * math.sqrt(0.1))
    assert root.cap[1] == near(2.5e5) and root.average(0, 1e5) == near(0.04 * 0.1**0.5 * 2 / 3)
    assert fill_share(root, (-1e5, 0.0), -3e5) == near(0.5)
    ladder = Impact({"shape": "ladder", "bid": [(0.01, 100.0), (0.03, 200.0)],
                     "ask": [(0.02, 50.0)]}, 0.02)  # fmt: skip
    assert ladder.cap == {-1: near(150.0), 1: near(50.0)}
    assert ladder.displacement(-150.0) == near(-0.02)
    assert ladder.average(0.0, -150.0) == near(-(100 * 0.005 + 50 * 0.015) / 150)
    assert ladder.average(-100.0, 50.0) == near((-100 * 0.005 + 50 * 0.01) / 150)


def test_thin_depth_divides_the_displacement_and_pass_through_moves_collateral():
    d = math.exp(-0.5 * abs(math.log(79 / 80)) / 0.05)
    r = play([account("cross", -78200.0, {"BTC": 1.0})], {"BTC": [1, 79 / 80]}, depth=1e7,
             depth_collapse=0.5)  # fmt: skip
    assert r["x"]["BTC"][1] == near(-0.0079 / d)
