"""A population being built, and the draws that its groups share."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from stress.errors import InputError
from stress.synth_margin import Rules, credits, least_equity, maintenance
from stress.synth_spec import Law, LogNormal, Normal, PopulationFile, Size, Uniform

Rng = np.random.Generator


@dataclass(kw_only=True)
class Draft:
    """A population being built; every group writes its own rows."""

    spec: PopulationFile
    rules: Rules
    file: object
    rows: dict[str, np.ndarray]  # group -> its accounts
    rngs: dict[str, Rng]
    size: np.ndarray  # [U, M] contracts, signed, cross positions
    leverage: np.ndarray  # [U, M] selected
    gain: np.ndarray  # [U, M] mark / entry price - 1
    supplied: np.ndarray  # [U, C] tokens
    equity: np.ndarray  # [U] X, USDC
    isolated: list[dict[str, np.ndarray]] = field(default_factory=list)  # rows of `Isolated`

    def infeasible(self, group: str, found: str, allowed: str) -> InputError:
        """The error of a target that the group's assumptions cannot meet."""
        return InputError(self.file, f"population.{group}".rstrip("."), found, allowed)


def keep_healthy(draft: Draft, rows: np.ndarray) -> None:
    """Raises equity where an account would start above the greatest margin ratio."""
    ratio = draft.spec.assumed.greatest_margin_ratio
    exposure = np.abs(draft.size[rows]) * draft.rules.mark
    margin = maintenance(draft.rules, exposure).sum(axis=1)
    credit = credits(draft.rules, draft.supplied[rows])[1]
    least = least_equity(ratio * (1 - 1e-9), margin, credit)
    draft.equity[rows] = np.maximum(draft.equity[rows], least)


def relative_size(rng: Rng, size: Size, count: int) -> np.ndarray:
    """Draws positive relative sizes `[count]`."""
    if isinstance(size, LogNormal):
        return np.clip(np.exp(size.sigma * rng.standard_normal(count)), 1e-12, None)
    return (1 - rng.random(count)) ** (-1 / size.alpha)


def draw(rng: Rng, law: Law, shape: int | tuple[int, ...]) -> np.ndarray:
    """Draws from a law of a spec."""
    if isinstance(law, LogNormal):
        drawn = law.median * np.exp(law.sigma * rng.standard_normal(shape))
        return np.clip(drawn, law.low, law.high)
    if isinstance(law, Normal):
        return np.clip(law.mean + law.sigma * rng.standard_normal(shape), law.low, law.high)
    if isinstance(law, Uniform):
        return rng.uniform(law.low, law.high, shape)
    return law.low + (law.high - law.low) * rng.beta(law.a, law.b, shape)


def eligible_value(draft: Draft) -> float:
    """Account value below which the population's portfolio accounts stay, USDC."""
    limit = draft.spec.observed.eligible_account_value.value
    return draft.spec.assumed.eligibility_margin * limit


def probabilities(values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Weights scaled to add up to 1."""
    weights = np.array(values, dtype=float)
    return weights / weights.sum()
