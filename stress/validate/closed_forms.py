"""Values with a formula or a quadrature, computed where they are needed; float64, host side."""

import numpy as np
from numpy.polynomial.legendre import leggauss
from scipy import integrate, special, stats

NODES = 12  # Gauss-Legendre nodes of a panel
PANEL = 2.0  # width of a panel in standard deviations of a step


def barrier_hit(distance: float, drift: float, volatility: float, years: float) -> float:
    """P(a Brownian motion with drift ever falls by `distance`), continuously watched.

        Phi((-d - m t) / (s sqrt t)) + exp(-2 m d / s^2) Phi((-d + m t) / (s sqrt t))

    Args:
      distance: d > 0, log.
      drift: m, of the logarithm, per year.
      volatility: s, per square root of a year.
      years: t.

    Source:
      Harrison (1985), Brownian Motion and Stochastic Flow Systems, 1.8.
    """
    scale = volatility * np.sqrt(years)
    direct = special.ndtr((-distance - drift * years) / scale)
    mirrored = special.ndtr((-distance + drift * years) / scale)
    return float(direct + np.exp(-2 * drift * distance / volatility**2) * mirrored)


def barrier_hit_at_dates(
    distance: float, drift: float, volatility: float, years: float, dates: int
) -> float:
    """As `barrier_hit`, seen at equally spaced dates only.

    The density of paths that have not been seen below is carried from date to date by quadrature
    on panels of Gauss-Legendre nodes; what falls below is summed, so that small probabilities keep
    their digits (1e-8 relative at 7e-8, measured against half the panels).

    Source:
      Quadrature of the Chapman-Kolmogorov equation: Andricopoulos, Widdicks, Duck and Newton
      (2003), J. Financial Economics 67, 447-471.
    """
    step = years / dates
    scale, shift = volatility * np.sqrt(step), drift * step
    reach = distance + max(drift, 0) * years + 7 * volatility * np.sqrt(years)
    panels = int(np.ceil(reach / (PANEL * scale)))
    x, w = leggauss(NODES)
    width = reach / panels
    edges = np.arange(panels) * width
    place = (edges[:, None] + (x + 1) * width / 2).ravel()
    weight = np.tile(w * width / 2, panels)
    below = special.ndtr((-place - shift) / scale)
    kernel = stats.norm.pdf(place[:, None], place[None, :] + shift, scale) * weight[None, :]
    density = stats.norm.pdf(place, distance + shift, scale)
    total = float(special.ndtr((-distance - shift) / scale))
    for _ in range(dates - 1):
        total += float(np.sum(weight * density * below))
        density = kernel @ density
    return total


def drawdown_tail(x: float, terms: int = 200) -> float:
    """P(maximum drawdown of a driftless Brownian motion over time T > x s sqrt(T)).

    The drawdown is |B| in law (Levy), so this is the exit of B from (-x, x):

        1 - 4 / pi sum_n (-1)^n / (2n + 1) exp(-(2n + 1)^2 pi^2 / (8 x^2))
    """
    n = np.arange(terms)
    odd = 2 * n + 1
    stay = 4 / np.pi * np.sum((-1.0) ** n / odd * np.exp(-(odd**2) * np.pi**2 / (8 * x**2)))
    return float(1 - stay)


def t_tail_dependence(rho: float, nu: float = 4.0) -> float:
    """Tail dependence of a Student-t copula, 2 t_{nu+1}(-sqrt((nu + 1)(1 - rho) / (1 + rho))).

    Source:
      Demarta and McNeil (2005), Int. Stat. Review 73, 111-129.
    """
    return float(2 * stats.t.sf(np.sqrt((nu + 1) * (1 - rho) / (1 + rho)), nu + 1))


def student_t_tail(level: float, nu: float) -> tuple[float, float]:
    """Value at risk and expected shortfall of a Student-t scaled to unit variance."""
    q = float(stats.t.ppf(level, nu))
    shortfall = float(stats.t.pdf(q, nu)) / (1 - level) * (nu + q**2) / (nu - 1)
    scale = float(np.sqrt((nu - 2) / nu))
    return q * scale, shortfall * scale


def borel_tail(mean: float, size: int) -> float:
    """P(total size of a Poisson branching process > size): Borel, exp(-n k) (n k)^(k-1) / k!."""
    k = np.arange(1, size + 1)
    logs = -mean * k + (k - 1) * np.log(mean * k) - special.gammaln(k + 1)
    return float(1 - np.exp(logs).sum())


def either_barrier(one: float, other: float, rho: float, time: float = 1.0) -> float:
    """P(one of two correlated driftless Brownian motions falls by z1 or z2), continuously watched.

    One minus the probability of staying in a wedge, a series of Bessel functions.

    Source:
      Iyengar (1985), SIAM J. Appl. Math. 45, 983-989; Metzler (2010), Stat. Prob. Letters 80.
    """
    angle = np.pi - np.arccos(rho)
    root = np.sqrt(1 - rho**2)
    radius = np.sqrt((one**2 + other**2 - 2 * rho * one * other) / (1 - rho**2))
    start = np.arctan2(other * root, one - rho * other)
    start = start + np.pi if start < 0 else start
    inner = radius**2 / (4 * time)
    n = np.arange(1, 201, 2)
    order = (n * np.pi / angle - 1) / 2, (n * np.pi / angle + 1) / 2
    bessel = special.ive(order[0], inner) + special.ive(order[1], inner)
    series = np.sum(np.sin(n * np.pi * start / angle) / n * bessel)
    return float(1 - 2 * radius / np.sqrt(2 * np.pi * time) * series)


def large_loss(nu: float, obligors: int = 250) -> float:
    """P(more than a quarter of the obligors default) under a common factor and a Student-t radius.

    Obligor i defaults where (rho Z + sqrt(1 - rho^2) 3 e_i) > x W, W = sqrt(chi2_nu / nu), rho 0.25
    and x = sqrt(n) / 2: given Z and W they are independent. Two nested adaptive quadratures.

    Source:
      The model: Bassamboo, Juneja and Zeevi (2008), Oper. Res. 56, 593-606.
    """
    rho, level, many = 0.25, 0.5 * np.sqrt(obligors), int(0.25 * obligors)
    x, w = leggauss(64)

    def given(radius: float) -> float:
        z = 9.0 * x
        p = special.ndtr((rho * z - level * radius) / (3 * np.sqrt(1 - rho**2)))
        return float(np.sum(9.0 * w * stats.norm.pdf(z) * stats.binom.sf(many, obligors, p)))

    def over(log_radius: float) -> float:
        radius = np.exp(log_radius)
        density = stats.chi2.pdf(nu * radius**2, nu) * 2 * nu * radius**2
        return given(radius) * float(density)

    found, _ = integrate.quad(over, -9, 1, limit=400, epsabs=0, epsrel=1e-9)
    return float(found)


def ishigami(a: float, b: float) -> tuple[list[float], list[float]]:
    """First-order and total Sobol indices of sin x1 + a sin^2 x2 + b x3^4 sin x1 on (-pi, pi)^3."""
    first = 0.5 * (1 + b * np.pi**4 / 5) ** 2
    second = a**2 / 8
    both = 8 * b**2 * np.pi**8 / 225
    whole = first + second + both
    return [first / whole, second / whole, 0.0], [
        (first + both) / whole, second / whole, both / whole,
    ]  # fmt: skip
