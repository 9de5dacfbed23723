"""The engine itself as a canary: a tiny fixed book along fixed prices, judged by the rule book.

Input and expected outcome stand in engine_canary.json; the outcome was computed by the slow NumPy
oracle of the tests, which shares no code with the kernels. One path that ends otherwise shows.
"""

import json
from collections.abc import Iterable
from functools import cache
from importlib import resources
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from models.account import Market
from stress import doctor
from stress.book_io import load_book
from stress.doctor import Canary, compare
from stress.engine import path_rows
from stress.frozen import freeze, in_precision, used_part
from stress.venues import build_venue, load_venue

TOLERANCE = 1e-9  # relative, of losses; first passages are exact


@cache
def stored() -> dict[str, Any]:
    """Content of engine_canary.json."""
    return json.loads(resources.files("stress").joinpath("engine_canary.json").read_text())


def market_of(case: dict[str, Any]) -> Market:
    """The fixed market, leaves `[F, p, T]`."""
    series = {name: jnp.asarray(np.array(values)) for name, values in case["market"].items()}
    return Market(
        mark=series["mark"],
        settlement=series["settlement"],
        collateral_price=series["collateral_price"],
        quote_price=jnp.ones_like(series["borrow_growth"]),
        borrow_growth=series["borrow_growth"],
        supply_growth=series["supply_growth"],
        borrow_index=series["borrow_index"],
        supply_index=series["supply_index"],
        free_liquidity=series["free_liquidity"],
    )


def outcome(case: dict[str, Any]) -> dict[str, np.ndarray]:
    """What the engine makes of the case: first liquidation (-1: never), full, loss."""
    rules = load_venue(case["book"]["venue"])
    book = used_part(load_book(case["book"], venue=rules))
    venue = build_venue(rules, book.markets, quotes=book.quotes, tokens=book.tokens)
    market = market_of(case)
    frozen = freeze(book, venue, path_tile=market.mark.shape[1])
    rows = jax.jit(path_rows)(venue, in_precision(frozen, "float64"), market)
    place = np.concatenate([np.asarray(frozen.row), np.asarray(frozen.isolated_row)])
    first = np.asarray(rows.first)[:, place]
    return {
        "first": np.where(np.isinf(first), -1, first),
        "full": np.asarray(rows.full)[:, place].astype(float),
        "loss": np.asarray(rows.loss)[:, place],
    }


def engine_canary(device: Any) -> Canary:
    """Runs the case on a device and compares it with the stored outcome."""
    case = stored()
    with jax.default_device(device):
        got = outcome(case)
    want = {name: np.array(values) for name, values in case["expected"].items()}

    def judge(names: tuple[str, ...], tolerance: float) -> Canary:
        found, right = ({name: part[name] for name in names} for part in (got, want))
        return compare("engine", found, right, tolerance)

    exact = judge(("first", "full"), 0.0)
    return judge(("loss",), TOLERANCE) if exact.passed else exact


def prove(devices: Iterable[Any]) -> None:
    """Refuses devices that compute wrong numbers, as `stress.doctor.self_test` does."""
    for device in devices:
        doctor.self_test(device, engine_canary)
