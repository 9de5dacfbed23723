"""Independent oracles: the rule book in plain Python loops, importing nothing of the project.

Slow on purpose. They are written from the rules, never from the kernels, so that agreement
between the two means something. Everything is a plain dict or list in natural units:

    account = {"mode": "portfolio" | "unified" | "cross",
               "cash": {quote: cross cash, without unrealized profit and isolated margin},
               "supplied": {token: units},
               "positions": [{"market", "size", "entry_price", "leverage",
                              "margin": "cross" | "isolated", "margin_balance": isolated only}],
               "orders_margin": {quote: amount}}                                   # optional
    prices  = {"mark": {market: px}, "oracle": {market: px}, "borrow": {token or quote: px}}
    rules   = {"tiers": {market: [(lower bound, maximum leverage), ...]},
               "settle": {market: quote}, "ltv": {token: x}, "user_supply_cap": {token: units},
               "user_borrow_cap": {quote: units}, "trigger": 0.95, "min_borrow_offset": 20,
               "offset_mode": "floor" | "additive" | "none"}

`oracles_margin` holds perp margin and standard accounts, `oracles_portfolio` portfolio margin,
`oracles_lending` the pool, `oracles_prices` medians and funding, `oracles_path` one account
along one path, `oracles_recorded` the recorded account, `oracles_examples` small ones. A cap that
is not named is unlimited.
"""

from oracles_examples import plain_account, plain_prices, plain_rules
from oracles_lending import (
    accrue_debt,
    accrue_supply,
    borrow_rate,
    borrowable,
    growth_factor,
    health_factor,
    loan_status,
    loan_thresholds,
    locked_collateral,
    supply_rate,
    utilization,
)
from oracles_margin import (
    exposure,
    initial_margin,
    isolated_equity,
    isolated_state,
    liquidation_price,
    maintenance_margin,
    standard_state,
    transfer_margin,
    unrealized_pnl,
)
from oracles_path import simulate_path
from oracles_portfolio import (
    collateral_credit,
    crossing_prices,
    hypothetical_borrow,
    portfolio_margin_ratio,
    portfolio_state,
)
from oracles_prices import (
    borrow_oracle_price,
    funding_payment,
    funding_rate,
    mark_price,
    median,
    weighted_median,
)
from oracles_recorded import recorded_account

__all__ = [
    "accrue_debt",
    "accrue_supply",
    "borrow_oracle_price",
    "borrow_rate",
    "borrowable",
    "collateral_credit",
    "crossing_prices",
    "exposure",
    "funding_payment",
    "funding_rate",
    "growth_factor",
    "health_factor",
    "hypothetical_borrow",
    "initial_margin",
    "isolated_equity",
    "isolated_state",
    "liquidation_price",
    "loan_status",
    "loan_thresholds",
    "locked_collateral",
    "maintenance_margin",
    "mark_price",
    "median",
    "plain_account",
    "plain_prices",
    "plain_rules",
    "portfolio_margin_ratio",
    "portfolio_state",
    "recorded_account",
    "simulate_path",
    "standard_state",
    "supply_rate",
    "transfer_margin",
    "unrealized_pnl",
    "utilization",
    "weighted_median",
]
