"""The project's engine as a contender, and how far another outcome is from its own."""

import dataclasses
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np

from stress.cascade_block import path_tile, run_cascade
from tests.bench.cascade_case import Case, Outcome, engine_inputs

MONEY = ("book_notional", "backstop_notional", "slippage", "bad_debt", "shortfall", "vault_profit")


def engine_run(case: Case) -> Callable[[], tuple]:
    """A function that runs the engine on the case and waits for it; compiled at its first call."""
    inputs = engine_inputs(case)
    paths = case.mark.shape[0]
    tile = math.gcd(path_tile(paths, len(case.cash)), paths)
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


def engine_player(case: Case, threads: int) -> Callable[[], Outcome]:
    """A function that plays the case with `threads` threads of equal parts, as campaigns do."""
    world = ("mark", "oracle", "funding")
    pieces = zip(*(np.array_split(getattr(case, name), threads) for name in world), strict=True)
    parts = [dataclasses.replace(case, **dict(zip(world, p, strict=True))) for p in pieces]
    runs = [engine_run(part) for part in parts]

    def play() -> Outcome:
        with ThreadPoolExecutor(threads) as pool:
            results = list(pool.map(lambda run: run(), runs))
        found = [engine_outcome(*pair) for pair in zip(parts, results, strict=True)]
        names = [f.name for f in dataclasses.fields(Outcome)]
        joined = {name: np.concatenate([getattr(x, name) for x in found]) for name in names}
        by_account = np.sum([x.by_account for x in found], axis=0)
        return Outcome(**(joined | {"by_account": by_account}))

    return play


def differences(got: Outcome, want: Outcome, ties: int = 0, relative: float = 1e-4) -> list[str]:
    """Sentences about everything in which two outcomes differ.

    Args:
      got: of a peer.
      want: of the engine.
      ties: paths that may differ: in float32 a sum in another order can decide a comparison of
        nearly equal numbers the other way, so an account goes a round, or a step, sooner or later.
      relative: 1, of the path's money in the same figure, or 1e-3 of its liquidated notional where
        that is more; for displacements of themselves, or of 1e-6.

    Returns:
      Nothing where they agree: counts and money on all paths but `ties`, counts of accounts but for
      two on each of those.
    """
    traded = 1 + 1e-3 * (want.book_notional + want.backstop_notional)
    apart = {"liquidated": got.liquidated != want.liquidated}
    for name in (*MONEY, "displacement"):
        a, b = getattr(got, name), getattr(want, name)
        floor = 1e-6 if name == "displacement" else traded
        beyond = ~(np.abs(a - b) <= relative * np.maximum(np.abs(b), floor))
        apart[name] = beyond.reshape(len(beyond), -1).any(axis=1)
    paths = np.any(list(apart.values()), axis=0)
    wrong = []
    if paths.sum() > ties:
        wrong = [f"{name}: {flag.sum()} paths apart" for name, flag in apart.items() if flag.any()]
    accounts = np.abs(got.by_account - want.by_account).sum()
    if accounts > 2 * ties:
        wrong.append(f"by_account: {accounts} pairs of path and account apart")
    return wrong
