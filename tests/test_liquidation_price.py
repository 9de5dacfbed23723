"""The venue's liquidation price against tier-by-tier search, and the recorded vectors."""

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
from margin_cases import MARKETS, random_rules, scalar, venue_of

from models import portfolio

SEEDS = range(12)  # margin tables and 200 positions each

_price = jax.jit(jax.vmap(portfolio.liquidation_price))


@pytest.mark.parametrize("seed", SEEDS)
def test_liquidation_prices(seed):
    """Every tier may hold the answer; where there is none the kernel says NaN."""
    rng = np.random.default_rng(100 + seed)
    tables = random_rules(rng)["tiers"]
    names = [MARKETS[k] for k in rng.integers(0, len(MARKETS), 200)]
    venue = venue_of(random_rules(rng, tiers=tables))
    mark = rng.uniform(10, 1000, 200)
    size = rng.choice([-1, 1], 200) * 10 ** rng.uniform(1, 4.5, 200)
    equity = rng.uniform(-0.1, 1.2, 200) * np.abs(size) * mark
    others = rng.uniform(0, 0.1, 200) * np.abs(size) * mark
    place = np.array([MARKETS.index(n) for n in names])
    own = [
        oracles.maintenance_margin(tables[n], abs(s) * p)
        for n, s, p in zip(names, size, mark, strict=True)
    ]
    got = np.asarray(
        _price(
            mark,
            size,
            equity - others - np.array(own),
            venue.tiers.rate[:, place].T,
            venue.tiers.deduction[:, place].T,
        )
    )
    none = moved = 0
    for k, name in enumerate(names):
        want = oracles.liquidation_price(mark[k], size[k], equity[k], tables[name], others[k])
        none += want is None
        assert np.isnan(got[k]) if want is None else got[k] == pytest.approx(want, rel=1e-9)
        units, bounds = abs(size[k]), [b for b, _ in tables[name]]
        tiers = [np.searchsorted(bounds, units * p, "right") for p in (mark[k], want or mark[k])]
        moved += tiers[0] != tiers[1]
    assert none and moved


@pytest.mark.parametrize(
    ("size", "raw", "leverage", "price"),
    [
        (29.72, -2801.468331, 20, 96.6790327156),
        (120, -1236.857213, 10, 10.8496246754),
        (-15, 1532.665442, 10, 97.3120915556),
    ],
)
def test_recorded_vectors(size, raw, leverage, price):
    rate, deduction = jnp.array([0.5 / leverage]), jnp.zeros(1)
    for mark in (price * 1.1, price * 0.7, 3 * price):  # whatever the mark is now
        available = raw + size * mark - rate[0] * abs(size) * mark
        got = portfolio.liquidation_price(scalar(mark), scalar(size), available, rate, deduction)
        assert float(got) == pytest.approx(price, rel=5e-12)
