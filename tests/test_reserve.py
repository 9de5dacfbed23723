"""The reserve with the book inside it, and the ledger, against hand-computed cases."""

import dataclasses

import jax.numpy as jnp
import pytest
from cascade_engine_cases import venue_of
from test_cascade_borel import RULES

from models import ledger
from models.reserve import (
    Reserve,
    borrow_total,
    growths,
    honoured,
    liquidity,
    outside_draws,
    settled,
    supply_total,
    used_share,
)

VENUE = venue_of(RULES | {"global_borrow_cap": 70.0})


def reserve(**given: float) -> Reserve:
    names = [f.name for f in dataclasses.fields(Reserve)]
    values = {"wanted_supply": 100.0, "outside_borrow": 60.0} | given
    return Reserve(**{n: jnp.asarray(values.get(n, 0.0)) for n in names})


def test_totals_are_the_outside_and_what_the_book_has_changed():
    r = reserve(loans_start=10.0, idle_start=20.0, written_off=1.0, vault_lent=3.0,
                vault_lent_start=5.0, takeover_debt=4.0)  # fmt: skip
    assert float(supply_total(r, jnp.asarray(26.0))) == 100 + 6 - 2 - 1
    assert float(borrow_total(r, jnp.asarray(13.0))) == 60 + 3 + 4
    assert float(liquidity(r, jnp.asarray(13.0), jnp.asarray(26.0))) == 103 - 67


@pytest.mark.parametrize(
    ("draws", "new", "want"),
    [
        (20.0, 5.0, (1.0, 1.0)),
        (50.0, 5.0, (0.8, 0.8)),  # 40 free
        (30.0, 20.0, (1.0, 0.5)),  # 10 below the global borrow cap
        (0.0, 0.0, (1.0, 1.0)),
    ],
)
def test_draws_are_honoured_pro_rata(draws, new, want):
    zero = jnp.asarray(0.0)
    got = honoured(VENUE, reserve(), zero, zero, jnp.asarray(draws), jnp.asarray(new))
    assert tuple(map(float, got)) == pytest.approx(want)


def test_withdrawals_queue_and_outside_loans_wait():
    r = reserve(wanted_supply=50.0)
    got = {k: float(v) for k, v in settled(r).items()}
    assert got == {"supply": 60, "borrowed": 60, "queued": 10}
    full = dataclasses.replace(r, **{k: jnp.asarray(v) for k, v in got.items()})
    assert float(used_share(full)) == 1
    zero = jnp.asarray(0.0)
    assert float(outside_draws(r, jnp.asarray(80.0), zero, zero)) == 60
    assert float(outside_draws(reserve(), jnp.asarray(80.0), zero, zero)) == 80
    assert float(outside_draws(reserve(), jnp.asarray(180.0), zero, zero)) == 100
    assert float(outside_draws(r, jnp.asarray(30.0), zero, zero)) == 30


def test_rates_are_the_curve():
    borrow, supply = growths(VENUE, jnp.asarray(0.9), jnp.asarray(8760.0))
    assert float(jnp.log1p(borrow)) == pytest.approx(0.525)
    assert float(jnp.log1p(supply)) == pytest.approx(0.525 * 0.9 * 0.9)


def test_the_ledger_sees_a_leak():
    parties = ledger.nothing(jnp.asarray(0.0))
    parties = ledger.booked(parties, vault=jnp.asarray(5e6), makers=jnp.asarray(-2e6))
    accounts, scale = jnp.asarray(-3e6), jnp.asarray(1e6)
    assert float(ledger.residual(parties, accounts, scale)) < 1e-15
    leaking = ledger.booked(parties, suppliers=jnp.asarray(0.1))
    assert float(ledger.residual(leaking, accounts, scale)) > 1e-9
