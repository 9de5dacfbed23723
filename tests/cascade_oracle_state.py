"""State of the cascade oracle: accounts, other parties, marking, pricing of flows, ledger.

Written from the mechanics alone. Money is USDC, time hours, sizes signed contracts. Lists are
in the order of `World.markets`, `World.tokens`, `World.assets`.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from cascade_oracle_impact import Impact, fill_share

MEASURES = (
    "book_notional",
    "backstop_notional",
    "takeover_value",
    "adl_notional",
    "shortfall_perps",
    "shortfall_loans",
    "paid_adl",
    "paid_buffer",
    "paid_suppliers",
    "paid_takeover_capital",
    "uncovered",
    "slippage",
    "margin_kept",
    "surplus_kept",
)


def decay(hours: float, half_life: float) -> float:
    """2^(-hours / half_life); 1 over no time, 0 over some time with no half-life."""
    if hours <= 0.0:
        return 1.0
    return 2.0 ** (-hours / half_life) if half_life > 0.0 else 0.0


class Account:
    """One account: what it holds, its pool position P (> 0 loan), and its first liquidation."""

    __slots__ = (
        "cash",
        "coin",
        "cooldown_until",
        "entry",
        "first",
        "first_state",
        "kind",
        "leverage",
        "limit",
        "pool",
        "portfolio",
        "rationed",
        "size",
        "supplied",
    )

    def __init__(self, record: Mapping[str, Any], markets: Sequence[str], tokens: Sequence[str]):
        self.kind = record["kind"]
        if self.kind not in ("portfolio", "unified", "cross", "isolated"):
            raise ValueError(f"kind {self.kind!r}")
        self.portfolio = self.kind == "portfolio"
        self.limit = 0.95 if self.kind in ("portfolio", "unified") else 1.0
        self.cash = float(record["cash"])
        self.size = [float(record.get("size", {}).get(m, 0.0)) for m in markets]
        self.entry = [float(record.get("entry", {}).get(m, math.nan)) for m in markets]
        self.leverage = [float(record.get("leverage", {}).get(m, 1.0)) for m in markets]
        supplied = record.get("supplied", {}) if self.portfolio else {}
        self.supplied = [float(supplied.get(c, 0.0)) for c in tokens]
        self.coin = int(record.get("coin", 1))
        self.pool = 0.0
        self.rationed = False
        self.cooldown_until = -math.inf
        self.first: int | None = None
        self.first_state: dict[str, float] | None = None

    @property
    def holds_perps(self) -> bool:
        return any(self.size)

    @property
    def holds_collateral(self) -> bool:
        return any(self.supplied)


class World:
    """Everything one path carries from step to step; every party's cash is its own number."""

    def __init__(self, accounts: Sequence[Mapping], path: Mapping, rules: Mapping, settings: Any):
        self.path, self.rules, self.settings = path, rules, settings
        self.hours = path["hours"]
        self.markets, self.tokens = list(path["mark"]), list(path["price"])
        self.assets = list(path["log"])
        at = {asset: k for k, asset in enumerate(self.assets)}
        self.market_asset = [at[rules["market_asset"][m]] for m in self.markets]
        self.token_asset = [at[rules["token_asset"][c]] for c in self.tokens]
        self.tiers = [rules["tiers"][m] for m in self.markets]
        self.ltv = [rules["ltv"][c] for c in self.tokens]
        self.supply_cap = [rules["user_supply_cap"].get(c, math.inf) for c in self.tokens]
        self.accounts = [Account(a, self.markets, self.tokens) for a in accounts]
        self.initial_cash = [a.cash for a in self.accounts]
        self.initial_size = [list(a.size) for a in self.accounts]
        self.initial_supplied = [list(a.supplied) for a in self.accounts]
        # impact
        self.impact = [Impact(settings["impact"][a], settings["reach"]) for a in self.assets]
        self.transient, self.permanent, self.ema = ([0.0] * len(self.assets) for _ in range(3))
        self.depth = [1.0] * len(self.assets)
        self.passed = [0.0] * len(self.assets)
        self.x = [0.0] * len(self.assets)
        self.overshoot = [0.0] * len(self.assets)
        self.prev_mark: list[float] = []
        self.prev_oracle: list[float] = []
        # parties
        held = range(len(self.markets))
        self.makers_cash = self.suppliers_cash = self.borrowers_cash = self.buffer = 0.0
        self.makers_size = [-sum(a.size[m] for a in self.accounts) for m in held]
        self.initial_makers = list(self.makers_size)
        self.buyers_tokens = [0.0] * len(self.tokens)
        self.vault_cash = float(settings["vault_capital"])
        self.vault_size = [0.0] * len(self.markets)
        self.lent = self.lent_start = self.vault_cash * settings["vault_lent_share"]
        self.takeover_cash, self.takeover_capital = 0.0, float(settings["takeover_capital"])
        self.held = [0.0] * len(self.tokens)
        # reserve
        self.outside_borrow = path["borrow"][0]
        self.idle_start = self.loan_start = self.written_off = 0.0
        self.free = self.supply_effective = self.borrow_total = self.queued = self.refused = 0.0
        self.supply_outside = self.borrow_outside = 0.0
        self.growth_borrow = self.growth_supply = 0.0
        self.measure = dict.fromkeys(MEASURES, 0.0)
        self.events: Counter[str] = Counter()
        self.status = "ok"

    def load(self, t: int) -> None:
        """Fundamental prices and logs of time index t."""
        path, self.time = self.path, t
        self.live = [path["live"][a][t] if "live" in path else True for a in self.assets]
        spot = path.get("spot", path["price"])
        self.fundamental_spot = [spot[c][t] for c in self.tokens]
        self.fundamental = [path["mark"][m][t] for m in self.markets]
        self.fundamental_oracle = [path["oracle"][m][t] for m in self.markets]
        self.fundamental_price = [path["price"][c][t] for c in self.tokens]
        self.log = [path["log"][a][t] for a in self.assets]

    def remark(self) -> None:
        """Displacements from the flows, prices from the displacements."""
        share, through = self.settings["permanent_share"], self.settings["pass_through"]
        for a, impact in enumerate(self.impact):
            x = share * impact.displacement(self.permanent[a])
            x += (1.0 - share) * impact.displacement(self.transient[a])
            self.x[a] = x
            self.overshoot[a] = max(self.overshoot[a], abs(x))
        full = [math.exp(x) for x in self.x]
        for a, live in enumerate(self.live):  # a silent oracle keeps what it showed
            self.passed[a] = through * self.x[a] if live else self.passed[a]
        part = [math.exp(x) for x in self.passed]
        sold = [math.exp(through * x) for x in self.x]
        asset = self.market_asset
        self.mark = [f * full[a] for f, a in zip(self.fundamental, asset, strict=True)]
        self.oracle = [o * part[a] for o, a in zip(self.fundamental_oracle, asset, strict=True)]
        price = zip(self.fundamental_price, self.token_asset, strict=True)
        self.px = [c * part[a] for c, a in price]
        spot = zip(self.fundamental_spot, self.token_asset, strict=True)
        self.spot = [c * sold[a] for c, a in spot]

    def effective(self, a: int, flow: float) -> float:
        """Flow at full depth that displaces as `flow` does at today's depth."""
        return flow / self.depth[a] ** self.impact[a].exponent

    def shares(self, flows: Sequence[float]) -> list[float]:
        """Executable share zeta of the net signed USDC flow of every asset."""
        return [
            fill_share(
                self.impact[a], (self.transient[a], self.permanent[a]), self.effective(a, flow)
            )
            for a, flow in enumerate(flows)
        ]

    def execute(self, flows: Sequence[float], zeta: Sequence[float]) -> list[float]:
        """Move the flow states by zeta * flow; marks stay until `remark`.

        Returns:
          Per asset the fill price over the reference price, exp(mean displacement - x).
        """
        share, factors = self.settings["permanent_share"], []
        for a, impact in enumerate(self.impact):
            step = zeta[a] * self.effective(a, flows[a])
            if step == 0.0:
                factors.append(1.0)
                continue
            before_t, before_p = self.transient[a], self.permanent[a]
            self.transient[a], self.permanent[a] = before_t + step, before_p + step
            mean = share * impact.average(before_p, self.permanent[a])
            mean += (1.0 - share) * impact.average(before_t, self.transient[a])
            factors.append(math.exp(mean - self.x[a]))
        return factors

    def residual_cash(self) -> float:
        """Sum of all parties' changes of cash; 0 up to rounding."""
        total = sum(a.cash - c for a, c in zip(self.accounts, self.initial_cash, strict=True))
        total += self.vault_cash - self.settings["vault_capital"]
        total += self.takeover_cash + self.takeover_capital - self.settings["takeover_capital"]
        total += self.makers_cash + self.suppliers_cash + self.borrowers_cash
        return total + self.buffer

    def residual_size(self) -> dict[str, float]:
        """Sum of all parties' changes of contracts per market."""
        out = {}
        for m, name in enumerate(self.markets):
            total = self.vault_size[m] + self.makers_size[m] - self.initial_makers[m]
            for a, start in zip(self.accounts, self.initial_size, strict=True):
                total += a.size[m] - start[m]
            out[name] = total
        return out

    def residual_tokens(self) -> dict[str, float]:
        """Sum of all parties' changes of collateral units per token."""
        out = {}
        for c, name in enumerate(self.tokens):
            total = self.held[c] + self.buyers_tokens[c]
            for a, start in zip(self.accounts, self.initial_supplied, strict=True):
                total += a.supplied[c] - start[c]
            out[name] = total
        return out
