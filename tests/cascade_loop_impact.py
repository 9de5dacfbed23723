"""Market impact by plain arithmetic: displacement, capacity, average fill (oracle of cascades).

Flow J is USDC, positive when bought; displacement is the logarithm of a price ratio.
"""

import itertools
import math
from collections.abc import Mapping
from typing import Any

Settings = Mapping[str, Any]

CLOSE = 1e-6  # relative change of flow below which the mean is taken at the middle
NO_ROOM = 1e-12  # of capacity: what rounding leaves over after depth was used up


def ladder_side(impact: Settings, side: float) -> list[tuple[float, float]]:
    """Points (cumulative, distance) of the side that an order of this sign eats, from (0, 0)."""
    points = impact["ask"] if side > 0 else impact["bid"]
    return [(0.0, 0.0)] + [(cumulative, distance) for distance, cumulative in points]


def raw_distance(impact: Settings, flow: float) -> float:
    """Size of the displacement at a flow, no limit."""
    amount = abs(flow)
    if impact["shape"] == "square_root":
        return impact["scale"] * impact["volatility"] * math.sqrt(amount / impact["volume"])
    if impact["shape"] == "linear":
        return amount / impact["depth"]
    points = ladder_side(impact, flow)
    for (low, near), (high, far) in itertools.pairwise(points):
        if amount <= high:
            return near + (far - near) * (amount - low) / (high - low)
    return points[-1][1]


def capacity(impact: Settings, reach: float, side: float) -> float:
    """Greatest flow of a side: where the displacement comes to `reach` or the ladder ends."""
    if impact["shape"] == "square_root":
        return impact["volume"] * (reach / (impact["scale"] * impact["volatility"])) ** 2
    if impact["shape"] == "linear":
        return reach * impact["depth"]
    points = ladder_side(impact, side)
    for (low, near), (high, far) in itertools.pairwise(points):
        if far > reach:
            return low + (high - low) * (reach - near) / (far - near)
    return points[-1][0]


def distance(impact: Settings, reach: float, flow: float) -> float:
    """Signed displacement D(J); beyond the capacity its value there."""
    if flow == 0.0:
        return 0.0
    cut = min(abs(flow), capacity(impact, reach, flow))
    return math.copysign(raw_distance(impact, math.copysign(cut, flow)), flow)


def integral(impact: Settings, reach: float, flow: float) -> float:
    """Integral of D from 0 to J (never negative)."""
    limit = capacity(impact, reach, flow)
    amount = min(abs(flow), limit)
    over = (abs(flow) - amount) * abs(distance(impact, reach, flow))
    if impact["shape"] == "square_root":
        return amount * raw_distance(impact, amount) * 2 / 3 + over
    if impact["shape"] == "linear":
        return amount * raw_distance(impact, amount) / 2 + over
    total, points = over, ladder_side(impact, flow)
    for (low, near), (high, far) in itertools.pairwise(points):
        if amount <= low:
            break
        end = min(amount, high)
        at_end = near + (far - near) * (end - low) / (high - low)
        total += (end - low) * (near + at_end) / 2
    return total


def mean_distance(impact: Settings, reach: float, before: float, after: float) -> float:
    """Mean of D between two flows."""
    if abs(after - before) <= CLOSE * max(abs(before), abs(after)):
        return distance(impact, reach, (before + after) / 2)
    change = integral(impact, reach, after) - integral(impact, reach, before)
    return change / (after - before)


class Book:
    """Depth of one asset: transient and permanent flow, depth multiplier of the step."""

    def __init__(self, impact: Settings, reach: float, permanent_share: float) -> None:
        self.impact, self.reach, self.share = impact, reach, permanent_share
        self.transient = self.permanent = 0.0
        self.depth = 1.0
        self.exponent = 2 if impact["shape"] == "square_root" else 1
        self.x = 0.0

    def remark(self) -> float:
        """Displacement of the state, kept in `x`."""
        permanent = distance(self.impact, self.reach, self.permanent)
        transient = distance(self.impact, self.reach, self.transient)
        self.x = self.share * permanent + (1 - self.share) * transient
        return self.x

    def effective(self, notional: float) -> float:
        """Flow of an order at the depth of the step."""
        return notional / self.depth**self.exponent

    def fraction(self, notional: float) -> float:
        """Largest part of an order that stays within capacity."""
        flow = self.effective(notional)
        if flow == 0.0:
            return 1.0
        side = math.copysign(1.0, flow)
        limit = capacity(self.impact, self.reach, side)
        result = 1.0
        for state in (self.transient, self.permanent):
            room = limit - side * state
            if room <= NO_ROOM * limit:
                return 0.0
            result = min(result, room / abs(flow))
        return result

    def fill_factor(self, notional: float) -> float:
        """Fill price over the price before, for an executed notional."""
        flow = self.effective(notional)
        mean = 0.0
        for state, weight in ((self.permanent, self.share), (self.transient, 1 - self.share)):
            mean += weight * mean_distance(self.impact, self.reach, state, state + flow)
        return math.exp(mean - self.x)

    def execute(self, notional: float) -> None:
        """Moves the state by an executed notional; the marking stays until `remark`."""
        flow = self.effective(notional)
        self.transient += flow
        self.permanent += flow
