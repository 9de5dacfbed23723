"""Impact against closed forms, quadrature and the reference fixed points."""

import json

import jax.numpy as jnp
import numpy as np
import pytest
from cascade_engine_cases import impact_of
from scipy.integrate import quad

from models.impact import (
    decay,
    depth_multiplier,
    displacement,
    execute,
    mean_displacement,
    room,
    total_displacement,
)
from stress.static_response import fixed_point

BASE = {
    "volatility": {"S": 0.06, "L": 0.03, "B": 0.05}, "reach": 0.4, "permanent_share": 0.3,
    "half_life": 0.5, "pass_through": 0.5, "depth_collapse": 0.35, "depth_half_life": 0.5,
    "depth_floor": 0.05,
    "impact": {
        "S": {"shape": "square_root", "scale": 1.0, "volatility": 0.06, "volume": 2e7},
        "L": {"shape": "linear", "depth": 5e7},
        "B": {"shape": "ladder", "bid": [(1e-3, 1e5), (5e-3, 4e5), (0.1, 3e6)],
              "ask": [(2e-3, 2e5), (8e-3, 1e6)]},
    },
}  # fmt: skip
IMPACT = impact_of(BASE, ["S", "L", "B"])
ASSETS = (0, 1, 2)


def plain(a: int, flow: float) -> float:
    """The displacement by its definition."""
    side, size = np.sign(flow), abs(flow)
    if a == 0:
        return side * 0.06 * np.sqrt(size / 2e7)
    if a == 1:
        return flow / 5e7
    points = [(0.0, 0.0), *BASE["impact"]["B"]["bid" if flow < 0 else "ask"]]
    distance, volume = np.array(points).T
    return side * np.interp(size, volume, distance)


@pytest.mark.parametrize("a", ASSETS)
@pytest.mark.parametrize("flow", [-2.5e6, -3e5, -1.0, 0.0, 5e4, 9e5])
def test_displacement_is_its_definition(a, flow):
    assert float(displacement(IMPACT, a, jnp.asarray(flow))) == pytest.approx(
        plain(a, flow), rel=1e-14, abs=1e-18
    )


@pytest.mark.parametrize("a", ASSETS)
@pytest.mark.parametrize(
    ("before", "after"), [(0, -2e6), (-1e5, -9e5), (-3e5, 2e5), (4e5, 1e5), (-7e5, -7e5 - 10)]
)
def test_fills_pay_the_average_along_the_flow(a, before, after):
    """Against quadrature of the definition."""
    knots = [-3e6, -4e5, -1e5, 0.0, 2e5, 1e6]
    inside = [k for k in knots if min(before, after) < k < max(before, after)]
    area = quad(lambda j: plain(a, j), before, after, points=inside or None, limit=200)[0]
    got = float(mean_displacement(IMPACT, a, jnp.asarray(float(before)), jnp.asarray(float(after))))
    assert got == pytest.approx(area / (after - before), rel=1e-7)


@pytest.mark.parametrize("a", ASSETS)
def test_cutting_an_order_changes_nothing(a):
    """One order or fifty: the same displacement and the same average price."""
    zero = jnp.asarray(0.0)
    start = (jnp.asarray(-1e5), jnp.asarray(-5e4))
    whole = execute(IMPACT, a, *start, jnp.asarray(0.7), jnp.asarray(-3e5))
    flows, paid = start, 0.0
    x0 = float(total_displacement(IMPACT, a, *start))
    for _ in range(50):
        x = float(total_displacement(IMPACT, a, *flows))
        part = execute(IMPACT, a, *flows, jnp.asarray(0.7), jnp.asarray(-3e5 / 50))
        flows, paid = (part.transient, part.permanent), paid + float(part.premium) + x - x0
    assert float(flows[0]) == pytest.approx(float(whole.transient), rel=1e-12)
    assert paid / 50 == pytest.approx(float(whole.premium), rel=1e-9)
    assert float(execute(IMPACT, a, *start, jnp.asarray(0.7), zero).premium) == 0


@pytest.mark.parametrize("a", ASSETS)
def test_thin_books_move_by_the_depth(a):
    """A trade from rest displaces by that of full depth over the depth multiplier."""
    full, thin = (
        execute(IMPACT, a, jnp.asarray(0.0), jnp.asarray(0.0), jnp.asarray(d), jnp.asarray(-8e3))
        for d in (1.0, 0.5)
    )
    x_full, x_thin = (
        float(total_displacement(IMPACT, a, f.transient, f.permanent)) for f in (full, thin)
    )
    assert x_thin == pytest.approx(2 * x_full, rel=1e-12)


@pytest.mark.parametrize("a", ASSETS)
def test_a_book_is_emptied_and_not_more(a):
    rest, depth = jnp.asarray(0.0), jnp.asarray(1.0)
    fill = execute(IMPACT, a, rest, rest, depth, jnp.asarray(-1e12))
    assert 0 < float(fill.share) < 1
    assert float(total_displacement(IMPACT, a, fill.transient, fill.permanent)) >= -0.4 - 1e-12
    again = execute(IMPACT, a, fill.transient, fill.permanent, depth, jnp.asarray(-1e3))
    assert float(again.share) == pytest.approx(0, abs=1e-9)
    assert float(room(IMPACT, a, fill.transient, jnp.asarray(True))) > 0
    back = execute(IMPACT, a, fill.transient, fill.permanent, depth, jnp.asarray(1e3))
    assert float(back.share) == 1


def test_decay_and_depth():
    assert float(decay(jnp.asarray(0.5), jnp.asarray(0.5))) == 0.5
    sigma = 0.06
    got = [float(depth_multiplier(IMPACT, 0, jnp.asarray(x))) for x in (0, -2 * sigma, 9.0)]
    assert got == pytest.approx([1, np.exp(-0.7), 0.05], rel=1e-14)


def test_reference_fixed_points(shared):
    """x = s / (1 - kappa) and x = s + a sqrt(x) of the shared reference values, to 1e-6."""
    given = json.loads((shared / "validation" / "reference_values.json").read_text())["cascade"]
    for kappa, times in ((0.5, 2), (0.8, 5), (0.9, 10), (0.95, 20)):
        depth = 5e7
        x = fixed_point(
            lambda x, flow=kappa * depth: np.array([abs(plain(1, -flow * x[0]))]),
            np.array([0.01]), np.array([0.01]),
        )  # fmt: skip
        assert x[0] == pytest.approx(0.01 * times, rel=1e-6)
    for row in given["sqrt"]:
        settings = BASE | {"reach": 5.0, "impact": {"S": {
            "shape": "square_root", "scale": row["Y"], "volatility": row["sigma"],
            "volume": row["V"]}}}  # fmt: skip
        impact = impact_of(settings, ["S"])

        def response(x, impact=impact, q=row["q"]):
            return -np.asarray(displacement(impact, 0, jnp.asarray(-q * x)))

        s = np.array([row["s"]])
        for start in (s, s + 1.0):  # one fixed point, from below and from above
            assert fixed_point(response, s, start)[0] == pytest.approx(row["x"], abs=1e-6)
        wrong = fixed_point(lambda x, f=response: 1.01 * f(x), s, s)[0]
        assert abs(wrong - row["x"]) > 1e-5


def test_least_and_greatest_fixed_points_differ_where_the_book_has_two_ends():
    """A step of sales: nobody below a fall of 0.1, everybody above; both are consistent."""

    def response(x):
        return np.where(x > 0.1, 0.2, 0.0)

    s = np.array([0.05])
    assert fixed_point(response, s, s)[0] == pytest.approx(0.05)
    assert fixed_point(response, s, s + 1)[0] == pytest.approx(0.25)
