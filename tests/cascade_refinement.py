"""How results of a cascade change as the time step shrinks, on the same fine paths.

    python -m tests.cascade_refinement

prints the table. A path is sampled once, in steps of 15 s, and seen every 15 s, minute, five
minutes and hour; so a difference is the mechanics', not the sampling's.
"""

import dataclasses
import sys
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from stress.environment import prepare_environment  # noqa: E402

prepare_environment()

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402

from stress.campaign import Plan, plan, scenario_key  # noqa: E402
from stress.cascade_block import path_keys, run_cascade, world_of  # noqa: E402
from stress.config import load_campaign  # noqa: E402
from stress.market import market_paths, sample_paths  # noqa: E402

EVERY = {"1 h": 240, "5 min": 20, "1 min": 4, "15 s": 1}  # fine steps per step
SHOWN = {
    "first_notional": "liquidated (first)", "book_notional": "book", "backstop_notional": "vault",
    "takeover_value": "takeover", "adl_notional": "ADL", "paid_suppliers": "suppliers lose",
    "overshoot_HYPE": "overshoot HYPE",
}  # fmt: skip
CRASH = {
    "crash": {"size": {"BTC": -0.11, "ETH": -0.18, "SOL": -0.33, "HYPE": -0.2}, "at": "1h",
              "over": "2h", "recovery": 0.5, "recovery_over": "1h"}
}  # fmt: skip


def fine_plan(folder: Path, book: Any = "books/default", hours: int = 5) -> Plan:
    """A campaign of a crash in steps of 15 s, the book moving the reserve."""
    from campaign_cases import write

    document = {
        "name": "refinement", "venue": "hyperliquid/2026-08-19", "book": book,
        "horizon": f"{hours}h", "step": "15s", "paths": 8, "seed": 3, "precision": "float64",
        "feedback": True, "cascade": {"lending": "book"},
        "scenarios": {"crash": {
            "prices": {"process": "gbm", "calibration": "calibration/prices", "regime": "typical"},
            "utilization": {"process": "constant"}, "overlays": [CRASH]}},
    }  # fmt: skip
    return plan(load_campaign(write(folder, document)))


def refined(built: Plan, paths: int = 8) -> dict[str, dict[str, float]]:
    """Means over paths of what SHOWN names, by step."""
    assert built.cascade is not None
    model, today = built.scenarios["crash"]
    setting = built.cascade.settings["crash"]
    key, numbers = scenario_key(3, "crash"), jnp.arange(paths)
    hours = jnp.asarray(built.campaign.step_hours)
    sample = sample_paths(today, model, key, numbers, hours)
    market, _ = market_paths(built.inputs.venue, today, model, sample, hours)
    fine = world_of(setting, today, model, sample, market, jnp.asarray(built.cascade.hours))
    table = {}
    for name, every in EVERY.items():
        series = jax.tree.map(lambda x, k=every: x[::k], fine)
        lengths = jnp.diff(series.time, prepend=0.0)
        series = dataclasses.replace(
            series, index=jnp.arange(len(lengths)), hours=lengths,
            next_hours=jnp.append(lengths[1:], 0.0),
        )  # fmt: skip
        (_, _, _), (money, rows) = run_cascade(
            setting, built.cascade.book, built.cascade.groups, series, path_keys(key, numbers),
            jnp.ones(paths, bool), built.cascade.book.path_tile,
        )  # fmt: skip
        found = {k: float(v.mean()) for k, v in rows.measures.items() if k in SHOWN}
        found["first_notional"] = float(money.liquidated_notional.mean())
        where = built.inputs.assets.index("HYPE")
        found["overshoot_HYPE"] = float(np.expm1(rows.overshoot[:, where]).mean())
        assert float(rows.residual.max()) < 1e-9
        table[name] = found
    return table


def main() -> None:
    """Prints the table, money in millions of USDC."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        table = refined(fine_plan(Path(folder)))
    print("step".ljust(8) + "".join(text.rjust(20) for text in SHOWN.values()))
    for name, row in table.items():
        values = [
            f"{100 * row[k]:.2f} %" if k.startswith("over") else f"{row[k] / 1e6:,.3f}M"
            for k in SHOWN
        ]
        print(name.ljust(8) + "".join(v.rjust(20) for v in values))


if __name__ == "__main__":
    main()
