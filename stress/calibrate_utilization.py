"""Fit of the utilization process to recorded lending pools.

Host side, NumPy. Jumps are the moves beyond a threshold (Mancini 2009, "Non-parametric threshold
estimation for models with stochastic diffusion coefficient and jumps"), so that intensities, sizes
and diffusion are three separate maximum-likelihood or least-squares fits with standard errors.

"""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from stress.calibrate_jumps import fit_intensities, fit_tail, mean_bounded_pareto, separate_jumps
from stress.calibrate_prices import Series
from stress.calibrate_record import Estimate

COVARIATES = ("fall", "rise", "volatility", "utilization", "kink", "size")
LEVELS = np.log((0.3, 0.995))  # of utilization, where its resting level is looked for
FILLS, DRAINS = ("supply_in", "borrow_out"), ("supply_out", "borrow_in")  # of the reserve


@dataclass(frozen=True, kw_only=True)
class Transitions:
    """Moves between consecutive observations, and what was known before them."""

    hours: Series  # h, length of each move
    supply: Series  # change of log supply
    borrow: Series  # change of log borrow
    log_utilization: Series  # before the move
    level: Series  # common log level before the move, trend removed
    log_size: Series  # log of supply before the move over a reference supply
    trailing_return: Series  # market, exponentially weighted, to the end of the move
    volatility: Series  # 1/sqrt(h), market, exponentially weighted, to the end of the move


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Choices of the fit that are not estimated."""

    threshold: float = 0.005  # log size, larger moves are jumps
    jump_minimum: float = 0.005  # log size, where the size law begins
    memory_hours: float = 24.0
    kink_utilization: float = 0.9
    liquidity_limit: float = 1.0
    reference_supply: float = 416_268_254.15  # Hyperliquid's USDC reserve, 2026-09-08


def market_memory(log_price: Series, hours: Series, memory_hours: float) -> tuple[Series, Series]:
    """Exponentially weighted trailing return and volatility, one entry per step.

    The recursion is that of `stress.utilization.pool_step`.

    Args:
      log_price: at the T + 1 times of observation.
      hours: h, the T steps between them.
      memory_hours: h, time constant.

    Returns:
      Trailing log return [T] and volatility per sqrt(h) [T].
    """
    moves, decay = np.diff(log_price), np.exp(-hours / memory_hours)
    trailing, variance = np.zeros(len(moves)), np.zeros(len(moves))
    past, spread = 0.0, float(np.sum(moves**2) / np.sum(hours))
    for i, (r, d, h) in enumerate(zip(moves, decay, hours, strict=True)):
        past, spread = past * d + r, spread * d + (1 - d) * r * r / h
        trailing[i], variance[i] = past, spread
    return trailing, np.sqrt(variance)


def fit_utilization(
    moves: Transitions, settings: Settings
) -> tuple[dict[str, Estimate | dict[str, Estimate]], Estimate]:
    """All parameters of `stress.utilization_model.UtilizationModel` but the venue's own levels.

    The level of the record is where the fitted expected flow of log u is 0; its standard error
    comes from leaving out one eighth of the record at a time.

    Returns:
      name -> Estimate or jump kind -> {name -> Estimate}; and the record's level of utilization.
    """
    parameters, level = _fit(moves, settings)
    eighth = np.arange(len(moves.hours)) * 8 // len(moves.hours)
    others = [_fit(_without(moves, eighth == k), settings)[1] for k in range(8)]
    error = np.sqrt(7 / 8 * np.sum((np.array(others) - np.mean(others)) ** 2))
    return parameters, Estimate(level, float(error))


def _without(moves: Transitions, some: NDArray[np.bool_]) -> Transitions:
    return Transitions(**{f.name: getattr(moves, f.name)[~some] for f in fields(Transitions)})


def _fit(
    moves: Transitions, settings: Settings
) -> tuple[dict[str, Estimate | dict[str, Estimate]], float]:
    """Parameters and level; fitted twice around a guess, to find the level, then around it."""
    # What happens in the median hour is drift; a jump is what differs from it.
    drift = [np.median(side / moves.hours) * moves.hours for side in (moves.supply, moves.borrow)]
    sizes, *rest = separate_jumps(
        moves.supply - drift[0], moves.borrow - drift[1], settings.threshold
    )
    supply, borrow = rest[0] + drift[0], rest[1] + drift[1]
    largest = max(float(size.max()) for size in sizes.values())
    reference = float(np.exp(np.log(moves.volatility).mean()))
    x_bar = float(np.median(moves.log_utilization))

    def fit() -> tuple[dict[str, dict[str, Estimate]], dict[str, Estimate], float]:
        diffusion, drift = _fit_diffusion(moves, settings, supply, borrow, x_bar)
        covariates = _covariates(moves, settings, reference, x_bar)
        noise = [diffusion[f"{side}_volatility"].value for side in ("supply", "borrow", "supply")]
        jumps = _fit_jumps(moves, settings, sizes, covariates, largest, noise)
        return jumps, diffusion, drift

    for _ in range(2):
        found = fit()
        x_bar = _resting_level(*found, settings, x_bar, largest)
    jumps, diffusion, _ = fit()
    chosen = {
        "jump_minimum": settings.jump_minimum,
        "jump_maximum": largest,
        "liquidity_limit": settings.liquidity_limit,
        "memory_hours": settings.memory_hours,
        "reference_volatility": reference,
        "return_range": float(np.abs(moves.trailing_return).max()),
        "volatility_range": float(np.abs(np.log(moves.volatility / reference)).max()),
        "utilization_range": float(np.abs(moves.log_utilization - x_bar).max()),
        "reference_supply": settings.reference_supply,
        "smallest_log_size": float(moves.log_size.min()),
        "largest_log_size": float(moves.log_size.max()),
    }
    unestimated = {name: Estimate(value, None) for name, value in chosen.items()}
    return jumps | diffusion | unestimated, float(np.exp(x_bar))


def _covariates(moves: Transitions, settings: Settings, reference: float, x_bar: float) -> Series:
    """What intensities depend on, [n, 6] in the order of `COVARIATES`."""
    columns = [
        np.maximum(-moves.trailing_return, 0),
        np.maximum(moves.trailing_return, 0),
        np.log(moves.volatility / reference),
        moves.log_utilization - x_bar,
        _steepness(moves.log_utilization, settings),
        moves.log_size,
    ]
    return np.column_stack(columns)


def _steepness(x: Series, settings: Settings) -> Series:
    kink = settings.kink_utilization
    return np.maximum(np.exp(x) - kink, 0) / (1 - kink)


def _largest_jump(kind: str, x: Series, settings: Settings, largest: float) -> Series:
    """Upper bound of the size law at log utilization `x`: drains are limited by liquidity."""
    wanted = -settings.liquidity_limit * x if kind in DRAINS else np.full_like(x, largest)
    return np.clip(wanted, 1.001 * settings.jump_minimum, largest)


def _fit_jumps(
    moves: Transitions,
    settings: Settings,
    sizes: dict[str, Series],
    covariates: Series,
    largest: float,
    noise: list[float],
) -> dict[str, dict[str, Estimate]]:
    result = {}
    root = float(np.sqrt(np.median(moves.hours)))
    for side, deviation in zip(("supply", "borrow", "paired"), noise, strict=True):
        pair = (f"{side}_in", f"{side}_out")
        came = [sizes[kind] > 0 for kind in pair]
        theta, error = fit_intensities(came[0], came[1], covariates, moves.hours)
        for kind, some, t, e in zip(pair, came, theta, error, strict=True):
            most = _largest_jump(kind, moves.log_utilization[some], settings, largest)
            observed = sizes[kind][some]
            tail, seen = fit_tail(observed, settings.jump_minimum, most, deviation * root)
            rate = float(np.exp(t[0])) / seen
            usual = rate * float(np.exp(covariates[:, :3] @ t[1:4]).mean())
            slopes = [Estimate(float(v), float(s)) for v, s in zip(t[1:], e[1:], strict=True)]
            result[kind] = {
                "intensity": Estimate(rate, rate * float(e[0])),
                "usual_intensity": Estimate(usual, usual * float(e[0])),
                "tail_exponent": tail,
                **dict(zip(COVARIATES, slopes, strict=True)),
            }
    return result


def _resting_level(
    jumps: dict[str, dict[str, Estimate]],
    diffusion: dict[str, Estimate],
    drift: float,
    settings: Settings,
    x_bar: float,
    largest: float,
) -> float:
    """Log utilization at which the expected flow is 0 in usual markets; else `x_bar`."""

    def flow(x: float) -> float:
        total = drift - diffusion["utilization_reversion"].value * (x - x_bar)
        above = max(x - np.log(settings.kink_utilization), 0.0)
        total -= diffusion["kink_reversion"].value * above
        at = np.array(x)
        for kind in FILLS + DRAINS:
            p = {name: estimate.value for name, estimate in jumps[kind].items()}
            exponent = p["utilization"] * (x - x_bar) + p["kink"] * _steepness(at, settings)
            most = float(_largest_jump(kind, at, settings, largest))
            size = mean_bounded_pareto(p["tail_exponent"], settings.jump_minimum, most)
            sign = 1 if kind in DRAINS else -1
            total += sign * p["usual_intensity"] * float(np.exp(exponent)) * size
        return total

    low, high = (float(x) for x in LEVELS)
    if flow(low) * flow(high) >= 0:
        return x_bar
    return float(optimize.brentq(flow, low, high))  # type: ignore[arg-type]


def _least_squares(design: Series, target: Series) -> tuple[Series, Series, Series]:
    """Coefficients, heteroskedasticity-robust standard errors (HC0), residuals."""
    bread = np.linalg.inv(design.T @ design)
    coefficients = bread @ (design.T @ target)
    rest = target - design @ coefficients
    meat = (design * rest[:, None] ** 2).T @ design
    return coefficients, np.sqrt(np.diag(bread @ meat @ bread)), rest


def _fit_diffusion(
    moves: Transitions, settings: Settings, supply: Series, borrow: Series, x_bar: float
) -> tuple[dict[str, Estimate], float]:
    """Mean reversion and noise of the remainders, from steps without any jump; drift at x_bar."""
    quiet = np.isfinite(supply) & np.isfinite(borrow)
    root, x = np.sqrt(moves.hours[quiet]), moves.log_utilization[quiet]
    ds, db = supply[quiet] / root, borrow[quiet] / root
    above = np.maximum(x - np.log(settings.kink_utilization), 0)
    drift = np.column_stack([np.ones_like(x), x - x_bar, above]) * root[:, None]
    speed, error, _ = _least_squares(drift, ds - db)
    if speed[1] < 0:  # no pull below the kink in quiet steps: the jumps alone bring u back
        speed[[0, 2]], error[[0, 2]], _ = _least_squares(drift[:, [0, 2]], ds - db)
        speed[1] = 0.0
    share, trend = 0.5, np.linspace(-1.0, 1.0, len(moves.hours))
    for _ in range(5):  # the common level is a mean of supply and borrow weighted by the share
        level = moves.level + (share - 0.5) * (moves.log_utilization - x_bar)
        common = np.column_stack([level, np.ones_like(level), trend])
        pull = np.column_stack([drift[:, 1:] @ speed[1:], common[quiet] * root[:, None]])
        share = float(_least_squares(pull, ds)[0][0])
    _, share_error, _ = _least_squares(pull, ds - share * (ds - db))  # of a ratio: delta method
    rests = [_least_squares(pull, side)[2] for side in (ds, db)]
    total = (1 - share) * moves.supply + share * moves.borrow
    back, back_error, _ = _least_squares(common * moves.hours[:, None], total)
    rho = float(np.corrcoef(rests[0], rests[1])[0, 1])
    result = {
        "utilization_reversion": Estimate(float(speed[1]), float(error[1])),
        "kink_reversion": Estimate(float(speed[2]), float(error[2])),
        "supply_share": Estimate(share, float(share_error[0])),
        "level_reversion": Estimate(float(-back[0]), float(back_error[0])),
        "supply_volatility": Estimate(float(rests[0].std()), _deviation_error(rests[0])),
        "borrow_volatility": Estimate(float(rests[1].std()), _deviation_error(rests[1])),
        "correlation": Estimate(rho, float((1 - rho**2) / np.sqrt(len(x)))),
    }
    return result, -float(speed[0])


def _deviation_error(rest: Series) -> float:
    """Standard error of a standard deviation, any kurtosis."""
    variance = rest.var()
    return float(np.sqrt((rest**2).var() / len(rest)) / (2 * np.sqrt(variance)))
