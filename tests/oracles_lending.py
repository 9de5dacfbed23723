"""The lending pool by plain arithmetic: rates, accrual, loan thresholds (sections 3, 6, 8)."""

import math
from collections.abc import Mapping, Sequence

HOURS_PER_YEAR = 8760.0
BASE_RATE, SLOPE, KINK = 0.05, 4.75, 0.8  # per year, per year and unit of utilization, 1
SUPPLIERS_SHARE = 0.9  # the rest is the buffer against liquidation losses


def utilization(borrowed: float, supplied: float) -> float:
    """Borrowed over supplied; 0 for an empty reserve, 1 for a debt without supply."""
    if supplied <= 0.0:
        return 1.0 if borrowed > 0.0 else 0.0
    return borrowed / supplied


def borrow_rate(u: float) -> float:
    """Stablecoin borrow rate per year: flat to the kink, then linear to full utilization."""
    return BASE_RATE + SLOPE * max(0.0, u - KINK)


def supply_rate(u: float) -> float:
    """Rate per year that suppliers earn: the borrowers' interest less the buffer's tenth."""
    return borrow_rate(u) * u * SUPPLIERS_SHARE


def growth_factor(rate: float, hours: float, convention: str = "nominal") -> float:
    """Growth of a balance over `hours`: exp(r dt), or (1 + r)^dt for `effective`.

    Raises:
      ValueError: another convention.
    """
    years = hours / HOURS_PER_YEAR
    if convention == "nominal":
        return math.exp(rate * years)
    if convention == "effective":
        return (1.0 + rate) ** years
    raise ValueError(f"rate convention {convention!r}; allowed: nominal, effective")


def accrue_debt(debt: float, path: Sequence[float], convention: str = "nominal") -> list[float]:
    """Debt at every hour, starting value included, along hourly utilizations."""
    balances = [debt]
    for u in path:
        balances.append(balances[-1] * growth_factor(borrow_rate(u), 1.0, convention))
    return balances


def accrue_supply(supply: float, path: Sequence[float], convention: str = "nominal") -> list[float]:
    """Supplied balance at every hour, starting value included, along hourly utilizations."""
    balances = [supply]
    for u in path:
        balances.append(balances[-1] * growth_factor(supply_rate(u), 1.0, convention))
    return balances


def borrowable(values: Mapping[str, float], ltv: Mapping[str, float]) -> float:
    """Borrowing capacity of collateral values, USD."""
    return sum(value * ltv[token] for token, value in values.items())


def health_factor(values: Mapping[str, float], ltv: Mapping[str, float], loan: float) -> float:
    """Capacity over loan; infinite without a loan."""
    return borrowable(values, ltv) / loan if loan > 0.0 else math.inf


def locked_collateral(loan: float, price: float, ltv: float) -> float:
    """Units of one token that a loan locks."""
    return loan / (price * ltv)


def loan_thresholds(values: Mapping[str, float], ltv: Mapping[str, float]) -> tuple[float, float]:
    """Loans at which partial liquidation and full takeover begin, USD (section 6, no caps)."""
    partial = sum(value * (1 + ltv[token]) / 2 for token, value in values.items())
    full = sum(value * (2 + ltv[token]) / 3 for token, value in values.items())
    return partial, full


def loan_status(loan: float, values: Mapping[str, float], ltv: Mapping[str, float]) -> str:
    """`healthy`, `partial` (loan above the partial threshold) or `full` (above the full one)."""
    partial, full = loan_thresholds(values, ltv)
    if loan > full:
        return "full"
    return "partial" if loan > partial else "healthy"
