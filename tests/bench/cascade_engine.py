"""The project's engine as a contender, and how far another outcome is from its own."""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from stress.cascade_block import run_cascade
from tests.bench.cascade_case import Case, Outcome, engine_inputs

MONEY = ("book_notional", "backstop_notional", "slippage", "bad_debt", "shortfall", "vault_profit")


def engine_run(case: Case, tile: int = 1) -> Callable[[], tuple]:
    """A function that runs the engine on the case and waits for it; compiled at its first call."""
    inputs = engine_inputs(case)
    paths = case.mark.shape[0]
    keys = jax.vmap(lambda i: jax.random.fold_in(jax.random.key(0), i))(jnp.arange(paths))
    valid = jnp.ones(paths, bool)

    def run():
        return jax.block_until_ready(
            run_cascade(
                inputs.setting, inputs.book, inputs.groups, inputs.series, keys, valid, tile
            )
        )

    return run


def engine_outcome(case: Case, result: tuple) -> Outcome:
    """What the contenders compare, of what `engine_run` returns."""
    (counts, _, _), (money, rows) = jax.tree.map(np.asarray, result)
    logs = np.log(case.mark[:, -1] / case.mark[:, 0])
    named = ("book_notional", "backstop_notional", "slippage", "shortfall")
    return Outcome(
        liquidated=money.liquidated_accounts.astype(np.int64),
        bad_debt=money.bad_debt,
        vault_profit=rows.party[:, 2],
        displacement=rows.log_return - logs,
        by_account=counts.first[:-1].sum(axis=0),
        **{name: rows.measures[name] for name in named},
    )


def differences(got: Outcome, want: Outcome, ties: int = 0, relative: float = 1e-4) -> list[str]:
    """Sentences about everything in which two outcomes differ.

    Args:
      got: of a peer.
      want: of the engine.
      ties: pairs of path and account that may differ in being liquidated: float32 sums in another
        order decide a comparison of nearly equal numbers the other way. Money is compared on the
        other paths.
      relative: 1, of the path's money in the same figure and of its liquidated notional.

    Returns:
      Nothing where they agree.
    """
    wrong = []
    other = np.abs(got.liquidated - want.liquidated)
    for what, apart in (
        ("liquidated", other.sum()),
        ("by_account", np.abs(got.by_account - want.by_account).sum()),
    ):
        if apart > ties:
            wrong.append(f"{what}: {apart} pairs of path and account differ, allowed {ties}")
    same = other == 0
    traded = 1e-3 * (want.book_notional + want.backstop_notional)
    for field in dataclasses.fields(Outcome):
        if field.name not in (*MONEY, "displacement"):
            continue
        a, b = (getattr(x, field.name)[same] for x in (got, want))
        floor = 1e-6 if field.name == "displacement" else 1 + traded[same]
        worst = np.max(np.abs(a - b) / (np.abs(b) + floor), initial=0)
        if not worst <= relative:
            wrong.append(f"{field.name}: {worst:.1e} apart, allowed {relative:.0e}")
    return wrong
