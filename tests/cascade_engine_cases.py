"""The oracle's cases as pytrees of the engine, and what the engine makes of them."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from models.account import Account
from models.impact import Impact
from models.margin import tiers_from_leverage
from models.venue import Assumptions, Funding, Lending, LiquidationRules, Venue
from stress.cascade import Now, path_residual, play
from stress.cascade_state import Backstops, Group, Setting

KINDS = (("cross", "unified", "isolated"), ("portfolio",))  # one group of the engine each


def scalar(x: float) -> jax.Array:
    return jnp.asarray(float(x))


def venue_of(rules: dict[str, Any]) -> Venue:
    """The rule book of a case."""
    markets, tokens = tuple(rules["tiers"]), tuple(rules["ltv"])
    one = jnp.ones(1)
    mode = rules["offset_mode"]
    return Venue(
        markets=markets,
        settle=(0,) * len(markets),
        tokens=tokens,
        quotes=("USDC",),
        tiers=tiers_from_leverage([rules["tiers"][m] for m in markets]),
        ltv=jnp.array([rules["ltv"][t] for t in tokens]),
        user_supply_cap=jnp.array([rules["user_supply_cap"].get(t, np.inf) for t in tokens]),
        global_supply_cap=jnp.full(len(tokens), np.inf),
        transfer_margin=scalar(0.1),
        lending=Lending(
            base_rate=0.05 * one,
            kink=0.8 * one,
            slope=4.75 * one,
            buffer_share=0.1 * one,
            global_supply_cap=jnp.inf * one,
            global_borrow_cap=rules["global_borrow_cap"] * one,
            user_supply_cap=jnp.inf * one,
            user_borrow_cap=rules["user_borrow_cap"] * one,
        ),
        liquidation=LiquidationRules(
            portfolio_trigger=scalar(0.95),
            cross_trigger=scalar(1.0),
            backstop_fraction=scalar(2 / 3),
            partial_notional=scalar(rules["partial_notional"]),
            partial_share=scalar(0.2),
            cooldown=scalar(rules["cooldown"]),
            takeover_share=scalar(0.2),
            takeover_interval=scalar(rules["takeover_interval"]),
            twap_half_life=scalar(rules["twap_half_life"]),
        ),
        funding=Funding(
            interest=scalar(1e-4), clamp=scalar(5e-4), cap=scalar(0.04), interval=scalar(8)
        ),
        assumptions=Assumptions(
            borrow_offset_floor=scalar(rules["min_borrow_offset"] * (mode == "floor")),
            borrow_offset_additive=scalar(rules["min_borrow_offset"] * (mode == "additive")),
            reserve_liquidity_limits_credit=scalar(rules["reserve_liquidity_limits_credit"]),
            rate_is_effective=scalar(0),
            takeover_at_partial_threshold=scalar(
                rules["takeover_starts_at"] == "partial_threshold"
            ),
            perps_first_probability=scalar(0.5),
        ),
    )


def impact_of(settings: dict[str, Any], assets: list[str]) -> Impact:
    """The impact model of a case."""
    entries = [settings["impact"][a] for a in assets]
    ladders = [[e.get(side, [(1.0, 1.0)]) for side in ("bid", "ask")] for e in entries]
    points = 1 + max(len(side) for pair in ladders for side in pair)
    volumes, distances = (np.zeros((len(assets), 2, points)) for _ in range(2))
    capacity, coefficient = np.zeros((len(assets), 2)), np.zeros(len(assets))
    reach = settings["reach"]
    for a, (entry, pair) in enumerate(zip(entries, ladders, strict=True)):
        for s, side in enumerate(pair):
            last = side[-1]
            padded = [(0.0, 0.0), *side, *([last] * (points - 1 - len(side)))]
            distances[a, s], volumes[a, s] = np.array(padded).T
        if entry["shape"] == "square_root":
            coefficient[a] = entry["scale"] * entry["volatility"] / np.sqrt(entry["volume"])
            capacity[a] = (reach / coefficient[a]) ** 2
        elif entry["shape"] == "linear":
            coefficient[a] = 1 / entry["depth"]
            capacity[a] = reach * entry["depth"]
        else:
            capacity[a] = [
                min(np.interp(reach, distances[a, s], volumes[a, s]), volumes[a, s, -1])
                for s in (0, 1)
            ]
    return Impact(
        shapes=tuple(e["shape"] for e in entries),
        coefficient=jnp.array(coefficient),
        volumes=jnp.array(volumes),
        distances=jnp.array(distances),
        capacity=jnp.array(capacity),
        volatility=jnp.array([settings["volatility"][a] for a in assets]),
        permanent_share=scalar(settings["permanent_share"]),
        half_life=scalar(settings["half_life"]),
        pass_through=jnp.full(len(assets), float(settings["pass_through"])),
        depth_collapse=scalar(settings["depth_collapse"]),
        depth_half_life=scalar(settings["depth_half_life"]),
        depth_floor=scalar(settings["depth_floor"]),
    )


def setting_of(rules, settings, dtype=jnp.float64, **changes) -> Setting:
    venue = venue_of(rules)
    assets = list(settings["impact"])
    place = {a: i for i, a in enumerate(assets)}
    given = {
        "market_asset": tuple(place[rules["market_asset"][m]] for m in venue.markets),
        "token_asset": tuple(place[rules["token_asset"][t]] for t in venue.tokens),
        "lending": settings["lending"],
        "round_limit": settings["round_limit"],
        "driver": -1,
        "rules": jax.tree.map(lambda x: x.astype(dtype), venue),
        "venue": venue,
        "impact": impact_of(settings, assets),
        "backstops": Backstops(
            vault_capital=scalar(settings["vault_capital"]),
            vault_lent_share=scalar(settings["vault_lent_share"]),
            takeover_capital=scalar(settings["takeover_capital"]),
        ),
        "pool": None,
        "spike": None,
    }
    return Setting(**(given | changes))


def groups_of(accounts, rules, path, dtype=jnp.float64) -> tuple[list[Group], list[list[int]]]:
    """Groups of the engine with all markets and tokens, and the accounts' places in them."""
    markets, tokens = list(rules["tiers"]), list(rules["ltv"])
    groups, places = [], []
    for kinds in KINDS:
        index = [k for k, a in enumerate(accounts) if a["kind"] in kinds]
        chosen = [accounts[k] for k in index]
        portfolio = kinds == ("portfolio",)

        def table(key, names, missing, rows=chosen):
            return np.array([[a[key].get(x, missing) for a in rows] for x in names])

        size, entry = table("size", markets, 0.0), table("entry", markets, 1.0)
        supplied = table("supplied", tokens, 0.0)
        cash = np.array([a["cash"] for a in chosen])
        mark = np.array([path["mark"][m][0] for m in markets])
        price = np.array([path["price"][t][0] for t in tokens])
        shared = [float(a["kind"] in ("unified", "portfolio")) for a in chosen]
        account = Account(
            markets=tuple(range(len(markets))),
            tokens=tuple(range(len(tokens))) if portfolio else (),
            portfolio=portfolio,
            net_cash=jnp.array(cash[None]),
            size=jnp.array(size),
            inverse_leverage=jnp.array(1 / table("leverage", markets, 1.0)),
            supplied=jnp.array(supplied if portfolio else supplied[:0]),
            shared_margin=jnp.array(shared),
        )
        equity = cash + mark @ size + (price @ supplied if portfolio else 0)
        group = Group(account=account, entry=jnp.array(entry), equity=jnp.array(equity))
        groups.append(jax.tree.map(lambda x: x.astype(dtype), group))
        places.append(index)
    return groups, places


def series_of(paths, rules, assets) -> Now:
    """The world outside, leaves `[T, F, p]`."""
    markets, tokens = list(rules["tiers"]), list(rules["ltv"])
    hours = np.array(paths[0]["hours"], float)
    lengths = np.diff(hours, prepend=hours[0])
    count, width = len(hours), len(paths)

    def rows(kind, names):
        return jnp.array(np.array([[p[kind][x] for p in paths] for x in names]).transpose(2, 0, 1))

    def flat(kind):
        return jnp.array(np.array([p[kind] for p in paths], float).T)

    zero = jnp.zeros((count, width))
    token, log = rows("price", tokens), rows("log", assets)

    def given(kind, names, missing):  # what some paths have and others do not, [T, F, p]
        whole = [[p[kind][x] if kind in p else missing(p, x) for p in paths] for x in names]
        return jnp.array(np.array(whole).transpose(2, 0, 1))

    every = [p["funding"] if isinstance(p["funding"], list) else [p["funding"]] * count
             for p in paths]  # fmt: skip
    rate = jnp.array(np.array(every).T)[:, None, :]
    return Now(
        index=jnp.arange(count),
        time=jnp.array(hours),
        hours=jnp.array(lengths),
        next_hours=jnp.array(np.append(lengths[1:], 0.0)),
        log=log,
        mark=rows("mark", markets),
        oracle=rows("oracle", markets),
        token=token,
        spot=given("spot", tokens, lambda p, x: p["price"][x]),
        funding=jnp.broadcast_to(rate, (count, len(markets), width)),
        depth=given("depth", assets, lambda p, x: [1.0] * count),
        live=given("live", assets, lambda p, x: [True] * count),
        supply=flat("supply"),
        borrow=flat("borrow"),
        draws=jnp.zeros((count, 0, width)),
        borrow_growth=zero,
        supply_growth=zero,
        free=zero,
    )


played = jax.jit(play, static_argnames="lanes")
residuals = jax.jit(path_residual)


def run(accounts, paths, rules, settings, dtype=jnp.float64, lanes=None, **changes):
    """(groups, places of accounts in them, final state, what was seen) of paths of one grid."""
    assets = list(settings["impact"])
    groups, places = groups_of(accounts, rules, paths[0], dtype)
    setting = setting_of(rules, settings, dtype, **changes)
    width = len(paths)
    coins = [bool(accounts[k]["coin"]) for index in places for k in index]
    order = jnp.array(np.tile(coins, (width, 1)))
    state, seen = played(setting, tuple(groups), order, series_of(paths, rules, assets), lanes)
    return groups, places, state, seen
