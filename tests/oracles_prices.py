"""Mark, oracle, borrow price and funding by sorting and clamping (sections 1 and 7)."""

from collections.abc import Sequence

INTEREST, CLAMP = 0.0001, 0.0005  # per 8 hours
HOURLY_CAP = 0.04


def median(values: Sequence[float]) -> float:
    """Middle of the sorted values; mean of the middle two for an even count."""
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else 0.5 * (ordered[half - 1] + ordered[half])


def weighted_median(values: Sequence[float], weights: Sequence[float]) -> float:
    """Least value with more than half of the weight at or below it.

    Where exactly half the weight lies at or below a value, the mean of it and the next one, so
    that equal weights give the plain median.
    """
    pairs = sorted((v, w) for v, w in zip(values, weights, strict=True) if w > 0)
    half, below = 0.5 * sum(w for _, w in pairs), 0.0
    for k, (value, weight) in enumerate(pairs):
        below += weight
        if below == half:
            return 0.5 * (value + pairs[k + 1][0])
        if below > half:
            return value
    raise ValueError("weighted median of no value")


def mark_price(
    oracle: float,
    average_basis: float,
    bid: float,
    ask: float,
    last: float,
    external_mids: Sequence[float],
) -> float:
    """Median of oracle plus the 150 s average of mid - oracle, the book, and other venues."""
    return median([oracle + average_basis, median([bid, ask, last]), median(external_mids)])


def borrow_oracle_price(spot: float, mark: float, oracle: float, usdt: float) -> float:
    """Reserve price: median of spot in USDC and the perp's mark and oracle times USDT/USDC."""
    return median([spot, mark * usdt, oracle * usdt])


def funding_rate(premium: float) -> float:
    """Funding per hour: (premium + clamp(0.0001 - premium, +-0.0005)) / 8, within +-4 %."""
    eight_hours = premium + min(CLAMP, max(-CLAMP, INTEREST - premium))
    return min(HOURLY_CAP, max(-HOURLY_CAP, eight_hours / 8))


def funding_payment(size: float, oracle: float, rate: float) -> float:
    """What the holder pays for an hour; longs pay a positive rate, shorts receive it."""
    return size * oracle * rate
