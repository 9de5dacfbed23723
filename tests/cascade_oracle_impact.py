"""Market impact by plain arithmetic: one asset's displacement, its integral and its room.

Flow J is signed effective USDC (> 0 net bought); displacement is logarithmic. Nothing of the
project is imported.
"""

import math
from bisect import bisect_left
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

NO_ROOM = 1e-9  # room below this share of the capacity is rounding, not depth


class Impact:
    """Displacement D(J) of one asset.

    Args:
      spec: `shape` square_root (`scale`, `volatility` per day, `volume` USDC per day), linear
        (`depth` USDC per unit of log price) or ladder (`bid`, `ask`: (distance, cumulative
        USDC) ascending).
      reach: greatest |displacement|.

    Attributes:
      exponent: power of the depth multiplier that divides flow.
      cap: greatest |J| when selling (-1) and buying (+1).
    """

    def __init__(self, spec: Mapping[str, Any], reach: float):
        self.shape = spec["shape"]
        self.exponent = 2 if self.shape == "square_root" else 1
        if self.shape == "square_root":
            self.slope = spec["scale"] * spec["volatility"] / math.sqrt(spec["volume"])
            self.cap: dict[int, float] = dict.fromkeys((-1, 1), float((reach / self.slope) ** 2))
        elif self.shape == "linear":
            self.slope = 1.0 / spec["depth"]
            self.cap = dict.fromkeys((-1, 1), reach / self.slope)
        elif self.shape == "ladder":
            self.knots = {
                side: ([0.0] + [c for _, c in spec[name]], [0.0] + [d for d, _ in spec[name]])
                for side, name in ((-1, "bid"), (1, "ask"))
            }
            self.cap = {side: self._ladder_cap(side, reach) for side in (-1, 1)}
        else:
            raise ValueError(f"shape {self.shape!r}; allowed: square_root, linear, ladder")

    def _ladder_cap(self, side: int, reach: float) -> float:
        volumes, distances = self.knots[side]
        if distances[-1] <= reach:
            return volumes[-1]
        k = next(k for k, d in enumerate(distances) if d > reach)
        share = (reach - distances[k - 1]) / (distances[k] - distances[k - 1])
        return volumes[k - 1] + share * (volumes[k] - volumes[k - 1])

    def _distance(self, side: int, volume: float) -> float:
        """|D| on one side at a volume within the capacity."""
        if self.shape == "square_root":
            return self.slope * math.sqrt(volume)
        if self.shape == "linear":
            return self.slope * volume
        if volume <= 0.0:
            return 0.0
        volumes, distances = self.knots[side]
        k = min(bisect_left(volumes, volume), len(volumes) - 1)
        share = (volume - volumes[k - 1]) / (volumes[k] - volumes[k - 1])
        return distances[k - 1] + share * (distances[k] - distances[k - 1])

    def _mean(self, side: int, near: float, far: float) -> float:
        """Mean of |D| on one side between two volumes, near < far."""
        if self.shape == "square_root":
            a, b = math.sqrt(near), math.sqrt(far)
            return self.slope * 2.0 / 3.0 * (a * a + a * b + b * b) / (a + b)
        if self.shape == "linear":
            return self.slope * 0.5 * (near + far)
        cuts = [near, *(v for v in self.knots[side][0] if near < v < far), far]
        area = 0.0
        for left, right in pairwise(cuts):
            heights = self._distance(side, left) + self._distance(side, right)
            area += 0.5 * (right - left) * heights
        return area / (far - near)

    def clamp(self, flow: float) -> float:
        """Flow brought back to the capacity of its side (rounding only)."""
        return min(self.cap[1], max(-self.cap[-1], flow))

    def displacement(self, flow: float) -> float:
        """D(J), log units, of the sign of J."""
        flow = self.clamp(flow)
        if flow == 0.0:
            return 0.0
        side = 1 if flow > 0 else -1
        return side * self._distance(side, abs(flow))

    def average(self, before: float, after: float) -> float:
        """Mean of D between two flows, (G(after) - G(before)) / (after - before)."""
        before, after = self.clamp(before), self.clamp(after)
        if before == after:
            return self.displacement(before)
        if before * after >= 0.0:
            side = 1 if before + after > 0 else -1
            near, far = sorted((abs(before), abs(after)))
            return side * self._mean(side, near, far)
        low, high = -min(before, after), max(before, after)
        return (high * self._mean(1, 0.0, high) - low * self._mean(-1, 0.0, low)) / (low + high)

    def room(self, flow: float, side: int) -> float:
        """Flow that may still be added on a side; 0 where only rounding is left."""
        left = self.cap[side] - side * flow
        return left if left > NO_ROOM * self.cap[side] else 0.0


def fill_share(impact: Impact, flows: tuple[float, float], order: float) -> float:
    """Largest share of an effective order that every flow state has room for.

    Args:
      impact: of the asset.
      flows: transient and permanent J.
      order: signed effective USDC, q / d^e.

    Returns:
      zeta in [0, 1]; 1 for no order.
    """
    if order == 0.0:
        return 1.0
    side = 1 if order > 0 else -1
    return min(1.0, min(impact.room(flow, side) for flow in flows) / abs(order))
