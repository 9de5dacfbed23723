"""Margin figures of many accounts at once on the host, to place a population within the rules.

NumPy twins of the kernels in `models` at the prices of the book (one quote token, one price per
market); the tests hold both to the same numbers. Axes: `U` accounts, `M` markets, `C` tokens.
"""

from dataclasses import dataclass

import numpy as np

from stress.book import Tiers


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What the venue file says about the markets and tokens of a population."""

    markets: tuple[str, ...]
    tokens: tuple[str, ...]
    quote: str
    mark: np.ndarray  # [M] USDC
    tiers: tuple[Tiers, ...]  # per market
    price: np.ndarray  # [C] USDC, reserve oracle
    ltv: np.ndarray  # [C] 1
    supply_cap: np.ndarray  # [C] tokens per user
    borrow_cap: float  # quote tokens per user
    lend_cap: float  # quote tokens per user
    transfer_margin: float  # 1, of notional

    @property
    def max_leverage(self) -> np.ndarray:
        """Greatest selectable leverage `[M]`."""
        return np.array([tiers[0][1] for tiers in self.tiers])


def maintenance(rules: Rules, notional: np.ndarray) -> np.ndarray:
    """Maintenance margin of each position, USDC.

        MM(n) = max_k (rate_k n - deduction_k)

    Args:
      rules: margin tiers.
      notional: USDC `[..., M]`, non-negative.

    Returns:
      USDC `[..., M]`.
    """
    result = np.zeros_like(notional)
    for m, tiers in enumerate(rules.tiers):
        deduction, last = 0.0, 0.5 / tiers[0][1]
        for bound, leverage in tiers:
            rate = 0.5 / leverage
            deduction += bound * (rate - last)
            last = rate
            result[..., m] = np.maximum(result[..., m], rate * notional[..., m] - deduction)
    return result


def credits(rules: Rules, supplied: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Borrow capacity C_ltv and liquidation credit C_liq of collateral `[U, C]`, USDC `[U]`."""
    counted = np.minimum(supplied, rules.supply_cap) * rules.price
    return counted @ rules.ltv, np.minimum(rules.borrow_cap, counted @ ((1 + rules.ltv) / 2))


def margin_ratio(equity: np.ndarray, margin: np.ndarray, credit: np.ndarray) -> np.ndarray:
    """Margin ratio (MM + b) / (X + b + C_liq) with b = max(0, MM - X); 0 if nothing is due."""
    borrow = np.maximum(0, margin - equity)
    required, available = margin + borrow, equity + borrow + credit
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(available > 0, required / available, np.inf)
    return np.where(required > 0, ratio, 0.0)


def least_equity(ratio: float, margin: np.ndarray, credit: np.ndarray) -> np.ndarray:
    """Cross net equity at which an account stands exactly at a margin ratio, USDC.

    Inverse of `margin_ratio` on both of its branches: X = MM / ratio - C where that is at least MM,
    else X = 2 MM - ratio (MM + C).
    """
    plain = margin / ratio - credit
    return np.where(plain >= margin, plain, 2 * margin - ratio * (margin + credit))


def transfer_margin(rules: Rules, notional: np.ndarray, leverage: np.ndarray) -> np.ndarray:
    """R = max(sum n / leverage, 0.1 sum n) of cross positions `[U, M]`, USDC `[U]`."""
    initial = (notional / leverage).sum(axis=1)
    return np.maximum(initial, rules.transfer_margin * notional.sum(axis=1))


def pool_use(
    rules: Rules, equity: np.ndarray, transfer: np.ndarray, margin: np.ndarray, capacity: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Loan and idle supply of portfolio accounts, USDC.

        loan = min(max(0, R - X), user_borrow_cap, max(C_ltv, MM - X)),   supply = max(0, X - R)

    Args:
      rules: the user's borrow cap.
      equity: X, USDC `[U]`.
      transfer: R, USDC `[U]`.
      margin: MM, USDC `[U]`.
      capacity: C_ltv, USDC `[U]`.

    Returns:
      Loan and supply, USDC `[U]`.

    Source:
      Recorded portfolio accounts of 2026-09 (within 1.3 %); "Portfolio margin", read 2026-11-22.
    """
    wanted = np.maximum(0, transfer - equity)
    loan = np.minimum(np.minimum(wanted, rules.borrow_cap), np.maximum(capacity, margin - equity))
    return loan, np.maximum(0, equity - transfer)


def fill(weights: np.ndarray, caps: np.ndarray, total: float) -> np.ndarray | None:
    """Shares out a total in proportion to weights within caps: min(s * weight, cap), sum = total.

    Args:
      weights: positive `[n]`.
      caps: same units as the total `[n]`.
      total: non-negative.

    Returns:
      Amounts `[n]`; None where the caps do not leave room for the total.
    """
    if total <= 0:
        return np.zeros_like(weights) if total == 0 else None
    if caps.sum() < total:
        return None
    level = caps / weights  # scale at which each cap binds
    order = np.argsort(level)
    capped = np.concatenate([[0.0], np.cumsum(caps[order])])
    free = np.concatenate([np.cumsum(weights[order][::-1])[::-1], [0.0]])
    # After the first k caps bind, the others share the rest; take the first k that is consistent.
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = (total - capped[:-1]) / free[:-1]
    consistent = scale <= level[order]
    if not consistent.any():  # every cap binds
        return caps.copy()
    return np.minimum(scale[np.argmax(consistent)] * weights, caps)
