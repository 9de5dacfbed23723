"""Formulas of the product and stored values against each other: nothing is sampled."""

import jax
import jax.numpy as jnp
import numpy as np
from scipy import special, stats

from models.impact import Impact, displacement
from models.lending import borrow_rate, growth
from stress.backtest_tests import kupiec
from stress.validate import closed_forms as exact
from stress.validate.check import Checks, known, references
from stress.venues import build_venue, load_venue

VENUE = "hyperliquid/2026-08-19"


def rule_checks() -> Checks:
    """The rate curve of the venue, backtest statistics, stored values by their formulas."""
    yield from _rates()
    yield from _backtests()
    yield from _cascades()
    yield from _stored()


def _rates() -> Checks:
    lending = build_venue(load_venue(VENUE), ["BTC"]).lending
    for name, rate in references()["rate_curve"].items():
        if isinstance(rate, dict):
            nominal = borrow_rate(lending, 0, jnp.asarray(0.9))
            for kind, effective in (("nominal", 0.0), ("effective", 1.0)):
                found = growth(nominal, jnp.asarray(1.0), jnp.asarray(effective))
                yield known(
                    "rules", f"hourly growth at 0.9, {kind}", float(found), rate[kind], 1e-5
                )
            continue
        found = borrow_rate(lending, 0, jnp.asarray(float(name)))
        yield known("rules", f"borrow rate at u = {name}", float(found), rate, 1e-9)


def _backtests() -> Checks:
    for k, value in references()["basel_cumulative_n250_p1pct"].items():
        found = stats.binom.cdf(int(k), 250, 0.01)
        yield known("backtests", f"Basel, at most {k} of 250", float(found), value, 1e-9)
    for name, value in references()["kupiec"].items():
        inside = name[name.index("(") + 1 : -1].split(",")
        if name.startswith("LR"):
            found = kupiec(int(inside[2]), int(inside[0]), float(inside[1]))[0]
            yield known("backtests", f"Kupiec {name}", found, value, 1e-5)
            continue
        days, low, high = int(inside[0]), *map(int, value.split(".."))
        accepted = [k for k in range(days // 10) if kupiec(k, days, 0.01)[1] > 0.05]
        for end, got, want in (("least", accepted[0], low), ("most", accepted[-1], high)):
            yield known("backtests", f"Kupiec, {end} accepted of {days}", got, want, 0)


def _cascades() -> Checks:
    """Fixed points x = s + D(q x) of the product's impact, by iteration."""

    def settled(impact: Impact, shock: float, flow: float) -> float:
        def fall(_, total):
            return shock - displacement(impact, 0, -flow * total)

        return float(jax.lax.fori_loop(0, 1000, fall, jnp.asarray(shock)))

    for kappa in (0.5, 0.8, 0.9, 0.95):
        found = settled(_impact("linear", kappa), 0.01, 1.0)
        yield known("rules", f"linear cascade, {kappa}", found, 0.01 / (1 - kappa), 1e-9)
    for row in references()["cascade"]["sqrt"]:
        coefficient = row["Y"] * row["sigma"] / np.sqrt(row["V"])
        found = settled(_impact("square_root", coefficient), row["s"], row["q"])
        yield known("rules", f"square-root cascade, q {row['q']:.0e}", found, row["x"], 1e-5)


def _impact(shape: str, coefficient: float) -> Impact:
    """An impact of one asset and one form."""
    zero, each = jnp.zeros(()), jnp.zeros(1)
    return Impact(
        shapes=(shape,), coefficient=coefficient + each, volumes=jnp.zeros((1, 2, 1)),
        distances=jnp.zeros((1, 2, 1)), capacity=jnp.full((1, 2), jnp.inf), volatility=each,
        permanent_share=zero, half_life=zero, pass_through=each, depth_collapse=zero,
        depth_half_life=zero, depth_floor=zero,
    )  # fmt: skip


def _stored() -> Checks:
    found = references()
    for row in found["gbm_lower_barrier_hit"]["rows"]:
        way = (np.log(row["S"] / row["H"]), row["mu"] - row["sigma"] ** 2 / 2, row["sigma"],
               row["days"] / 365)  # fmt: skip
        name = f"barrier {row['H']}, {row['days']} d"
        yield known("formulas", name, exact.barrier_hit(*way), row["continuous"], 1e-9)
        dated = exact.barrier_hit_at_dates(*way, row["m"])
        yield known("formulas", f"{name} at {row['m']} dates", dated, row["discrete_exact"], 1e-6)
    for row in found["portfolio_margin_one_collateral"]["rows"]:
        for days in (1, 7, 30):
            way = (-np.log(row["H_over_S"]), -row["rate"] - row["sigma"] ** 2 / 2, row["sigma"],
                   days / 365)  # fmt: skip
            name = f"looper {row['trigger']}, {days} d"
            ever, dated = exact.barrier_hit(*way), exact.barrier_hit_at_dates(*way, 24 * days)
            yield known("formulas", name, ever, row[f"{days}d_cont"], 1e-9)
            yield known("formulas", f"{name} by the hour", dated, row[f"{days}d_hourly"], 1e-7)
    for row in found["two_account_first_passage"]["rows"]:
        either = exact.either_barrier(row["Z1"], row["Z2"], row["rho"], row["t"])
        name = f"either of {row['Z1']}, {row['Z2']}, rho {row['rho']}"
        yield known("formulas", name, either, float(row["either"]), 1e-9)
    for x, value in found["max_drawdown_tail"]["rows"].items():
        yield known("formulas", f"drawdown above {x}", exact.drawdown_tail(float(x)), value, 1e-9)
    for rho, value in found["t_tail_dependence"].items():
        there = exact.t_tail_dependence(float(rho))
        yield known("formulas", f"t tail dependence, rho {rho}", there, value, 1e-9)
    for nu, value in found["t_copula_large_loss"]["rows"].items():
        yield known("formulas", f"large loss, nu {nu}", exact.large_loss(float(nu)), value, 1e-9)
    yield known("formulas", "R - S", float(special.ndtr(-np.sqrt(2))), found["R_minus_S"], 1e-9)
    for ratio, entry in found["borel_branching_total_size"].items():
        tail = exact.borel_tail(float(ratio.removeprefix("n=")), 100)
        yield known("formulas", f"Borel {ratio}, above 100", tail, entry["P(>100)"], 1e-5)
        if "P(size=1)" in entry:
            alone = 1 - exact.borel_tail(float(ratio.removeprefix("n=")), 1)
            yield known("formulas", f"Borel {ratio}, alone", alone, entry["P(size=1)"], 1e-5)
    first, total = exact.ishigami(7.0, 0.1)
    for i in range(3):
        for kind, values in (("S1", first), ("ST", total)):
            stored = found["ishigami_a7_b0.1"][kind][i]
            yield known("formulas", f"Ishigami {kind} {i + 1}", values[i], stored, 1e-6)
