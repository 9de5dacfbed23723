"""Decisions and orders of one account, case by case from the venue's pages."""

import dataclasses

import jax.numpy as jnp
import pytest
from cascade_engine_cases import venue_of
from test_cascade_borel import RULES

from models.account import Account
from models.liquidation import Figures, Holding, decide, orders, wanted_pool

VENUE = venue_of(RULES)
LATE = dataclasses.replace(
    VENUE,
    assumptions=dataclasses.replace(
        VENUE.assumptions, takeover_at_partial_threshold=jnp.asarray(1.0)
    ),
)


def account(portfolio: bool) -> Account:
    one = jnp.ones(1)
    return Account(
        markets=(0,), tokens=(0,) if portfolio else (), portfolio=portfolio, net_cash=one,
        size=one, inverse_leverage=one, supplied=one, shared_margin=jnp.asarray(float(portfolio)),
    )  # fmt: skip


def holding(size: float = 1.0, supplied: float = 1.0, cooldown: float = -jnp.inf) -> Holding:
    return Holding(
        cash=jnp.asarray(0.0), size=jnp.asarray([size]), supplied=jnp.asarray([supplied]),
        pool=jnp.asarray(0.0), rationed=jnp.asarray(False), cooldown=jnp.asarray(cooldown),
    )  # fmt: skip


def seen(**figures) -> Figures:
    names = [f.name for f in dataclasses.fields(Figures)]
    flags = {"beyond": False, "unfunded": False}
    return Figures(**{n: jnp.asarray(figures.get(n, flags.get(n, 0.0))) for n in names})


def acted(venue, portfolio, held, figures, perps_now=True, may_take=True) -> str:
    action = decide(
        venue, account(portfolio), held, figures, jnp.asarray(perps_now), jnp.asarray(may_take)
    )
    names = [name for name, flag in vars(action).items() if bool(flag)]
    assert len(names) <= 1
    return names[0] if names else "nothing"


LOSING = {"beyond": True, "maintenance": 9.0}


@pytest.mark.parametrize(
    ("held", "figures", "want"),
    [
        (holding(), seen(equity=8.0, **LOSING), "book"),
        (holding(), seen(equity=6.0, **LOSING), "book"),  # exactly two thirds stays in the book
        (holding(), seen(equity=5.9, **LOSING), "handover"),
        (holding(), seen(equity=10.0, maintenance=9.0), "nothing"),
        (holding(size=0.0), seen(equity=-1.0, beyond=True), "absorb"),
        (holding(size=0.0), seen(equity=0.0), "nothing"),
    ],
)
def test_standard_accounts(held, figures, want):
    assert acted(VENUE, False, held, figures) == want


LOAN = {"beyond": True, "equity": -80.0, "credit": 82.5, "partial_credit": 82.5,
        "full_credit": 88.3}  # fmt: skip
DEEP = LOAN | {"equity": -90.0}
BOTH = LOAN | {"equity": -75.0, "maintenance": 9.0}


@pytest.mark.parametrize(
    ("held", "figures", "perps_now", "may_take", "venue", "want"),
    [
        (holding(size=0.0), seen(**LOAN), True, True, VENUE, "partial"),
        (holding(size=0.0), seen(**LOAN), True, False, VENUE, "nothing"),
        (holding(size=0.0), seen(**DEEP), True, True, VENUE, "full"),
        (holding(size=0.0, supplied=0.0), seen(**(DEEP | {"full_credit": 0.0})), True, True,
         VENUE, "full"),
        (holding(size=0.0), seen(**LOAN), True, True, LATE, "nothing"),  # 80 is below 82.5
        (holding(size=0.0), seen(**(LOAN | {"equity": -83.0})), True, True, LATE, "partial"),
        (holding(), seen(**BOTH), True, True, VENUE, "book"),
        (holding(), seen(**BOTH), False, True, VENUE, "partial"),
        (holding(), seen(**BOTH), False, False, VENUE, "book"),
        (holding(supplied=0.0), seen(**BOTH), False, True, VENUE, "book"),
        (holding(), seen(**(BOTH | {"equity": -77.0})), True, True, VENUE, "handover"),
        (holding(), seen(**(BOTH | {"beyond": False})), False, True, VENUE, "nothing"),
        (holding(), seen(**(BOTH | {"beyond": False, "unfunded": True})), False, True, VENUE,
         "book"),
    ],
)  # fmt: skip
def test_portfolio_accounts(held, figures, perps_now, may_take, venue, want):
    assert acted(venue, True, held, figures, perps_now, may_take) == want


@pytest.mark.parametrize(
    ("size", "cooldown", "want", "until"),
    [
        (900.0, -1.0, -900.0, -1.0),  # 90k USDC: the whole position
        (1100.0, -1.0, -220.0, 5 + 30 / 3600),  # 110k: a fifth, then whole for 30 s
        (-1100.0, -1.0, 220.0, 5 + 30 / 3600),
        (1100.0, 5.001, -1100.0, 5.001),
        (1100.0, 5.0, -220.0, 5 + 30 / 3600),  # the cooldown is over
    ],
)
def test_orders_are_in_part_above_100k_and_whole_in_the_cooldown(size, cooldown, want, until):
    held, now = holding(size=size, cooldown=cooldown), jnp.asarray(5.0)
    contracts, after = orders(VENUE, held, (jnp.asarray(100.0),), jnp.asarray(True), now)
    assert float(contracts[0]) == pytest.approx(want)
    assert float(after) == pytest.approx(until)
    idle, after = orders(VENUE, held, (jnp.asarray(100.0),), jnp.asarray(False), now)
    assert float(idle[0]) == 0 and float(after) == cooldown


@pytest.mark.parametrize(
    ("figures", "want"),
    [
        ({"transfer": 10.0, "equity": 4.0, "notional": 50.0, "capacity": 100.0}, 6.0),
        ({"transfer": 10.0, "equity": 14.0, "notional": 50.0, "capacity": 100.0}, -4.0),
        ({"transfer": 10.0, "equity": -9.0, "notional": 50.0, "capacity": 12.0}, 12.0),
        ({"transfer": 10.0, "equity": -9.0, "notional": 50.0, "capacity": 5.0,
          "maintenance": 3.0}, 12.0),  # a shortfall of maintenance is drawn beyond the LTV limit
        ({"equity": -9.0}, 9.0),
    ],
)  # fmt: skip
def test_pool_positions_follow_the_transfer_margin(figures, want):
    assert float(wanted_pool(VENUE, account(True), seen(**figures))) == want
