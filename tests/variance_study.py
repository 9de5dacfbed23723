"""What the estimators save: variance against plain paths at equal numbers, and an event's cost.

To print the tables: python -m tests.variance_study
"""

# ruff: noqa: E402
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from stress.environment import prepare_environment

prepare_environment()

import jax
import numpy as np

from stress.answers import event_key
from stress.campaign import path_function, plan, scenario_key
from stress.config import load_campaign
from stress.estimator_schema import Estimator
from stress.events import rare_events
from stress.rare import Case, estimate_event
from stress.validate.accounts import built, case, rows
from stress.validate.closed_forms import large_loss
from stress.validate.samplers import radial_losses

REPEATS = 20
EVENT = "events={tenth: {measure: liquidated_debt, above: 0.1, of: book}}"


def barrier(paths: int = 2**14) -> None:
    """The barriers at 70 and 55 over a week: median variance reduction over seeded repeats."""
    made = built(7, 1.0, 4096)
    known = {name: step for name, step, _ in rows(7, 168)}
    for account in ("at-70", "at-55"):
        p = known[account]
        for method in ("tilt", "tilt_sobol"):
            one = case(made, account, most_paths=paths, target_relative_error=1e-9)
            found = [estimate_event(one, method, run=r) for r in range(REPEATS)]
            gains = [float(p * (1 - p) / f.paths / f.estimate.standard_error**2) for f in found]
            values = np.array([float(f.estimate.value) for f in found])
            z = (values.mean() - p) / (values.std(ddof=1) / np.sqrt(REPEATS))
            errors = [float(f.estimate.standard_error / f.estimate.value) for f in found]
            print(f"{account} {method:11} {found[0].paths:7,} paths  variance reduction, median "
                  f"{statistics.median(gains):12,.0f}  error {statistics.median(errors):.2%}  "
                  f"z of the mean {z:5.2f}", flush=True)  # fmt: skip
        for method in ("line", "splitting"):
            one = case(made, account, target_relative_error=0.1)
            f = estimate_event(one, method)
            error = float(f.estimate.standard_error)
            value = float(f.estimate.value)
            print(f"{account} {method:11} {f.paths:7,} paths  error {error / value:.2%}  "
                  f"z {(value - p) / error:5.2f}  {f.refusal}", flush=True)  # fmt: skip


def large_losses(count: int = 40_000) -> None:
    """Radial integration of the t copula's large losses; a sample is a direction."""
    for nu in (4.0, 12.0):
        p = large_loss(nu)
        lines = np.concatenate([radial_losses(nu, 2_000, seed) for seed in range(count // 2_000)])
        error = lines.std(ddof=1) / np.sqrt(count)
        print(f"large loss, nu {nu:g}: {count:,} directions, error {error / p:.2%}, "
              f"z {(lines.mean() - p) / error:.2f}, variance reduction a direction "
              f"{p * (1 - p) / count / error**2:,.0f}", flush=True)  # fmt: skip


def default_book() -> None:
    """More than a tenth of the default book's loans liquidated in a calm day, from a cold start."""
    began = time.perf_counter()
    campaign = load_campaign("campaigns/baseline", ["horizon=24h", EVENT])
    made = plan(campaign)
    event = rare_events(campaign)[0]
    key = event_key(scenario_key(campaign.spec.seed, "calm"), event.name)
    of = Case(event, path_function(made, "calm"), Estimator(target_relative_error=0.1), key)
    found = estimate_event(of, "tilt")
    wall = time.perf_counter() - began
    p, error = float(found.estimate.value), float(found.estimate.standard_error)
    drawn = jax.random.normal(jax.random.key(0), (1024, *of.paths.shape))
    jax.block_until_ready(of.paths.courses(drawn))
    start = time.perf_counter()
    jax.block_until_ready(of.paths.courses(drawn))
    each = (time.perf_counter() - start) / 1024
    plain = (1 - p) / p / 0.1**2
    print(
        f"default book: {p:.3g}, error {error / p:.1%}, {found.paths:,} paths, {wall:.0f} s "
        f"with compilation; plain paths need {plain:.2g} for 10 %, {plain * each / 60:.0f} min"
    )


if __name__ == "__main__":
    default_book()
    large_losses()
    barrier()
