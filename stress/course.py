"""The market of a tile of paths, cut into stretches of time that may be passed over."""

import dataclasses
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from models.account import Market
from models.reach import Range

STRETCHES = range(8, 17)  # times of a stretch: a longer one is passed over less often
RATES = ("borrow_growth", "supply_growth", "free_liquidity")


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Course:
    """`k` stretches of `s` times; what is beyond the horizon repeats it.

    There rates are zero and nothing is left to lend, so that a time that repeats changes nothing.
    """

    index: Float[Array, "k s"]  # place on the grid
    market: Market  # leaves [k, s, F, p]
    seen: Range  # over each stretch, leaves [k, F, p]


def course_of(market: Market) -> Course:
    """Cuts the market of a tile of paths into stretches.

    Args:
      market: leaves `[F, p, T]`.

    Returns:
      The course, in the precision of the market; ranges are of what is within the horizon.

    Errors:
      Raises nothing; a NaN makes its stretch's range NaN, which nothing is out of reach of.
    """
    times = market.quote_price.shape[-1]
    count, length = stretches(times)
    beyond = count * length - times

    def cut(x, fill):
        last = jnp.zeros_like(x[..., :1]) if fill else x[..., -1:]
        x = jnp.concatenate([x, jnp.repeat(last, beyond, axis=-1)], axis=-1)
        return jnp.moveaxis(x.reshape(*x.shape[:-1], count, length), (-2, -1), (0, 1))

    def whole(reduce) -> Market:
        return jax.tree.map(lambda x: reduce(cut(x, False), axis=1), market)

    fields = {f.name: getattr(market, f.name) for f in dataclasses.fields(market)}
    by_time = Market(**{name: cut(x, name in RATES) for name, x in fields.items()})
    growth = jnp.sum(by_time.borrow_growth, axis=1)
    return Course(
        index=jnp.arange(count * length, dtype=market.mark.dtype).reshape(count, length),
        market=by_time,
        seen=Range(low=whole(jnp.min), high=whole(jnp.max), growth=growth),
    )


def stretches(times: int) -> tuple[int, int]:
    """Number and length of the stretches of a grid, with the fewest times that only repeat.

    Args:
      times: `T`, at least 1.

    Returns:
      (number, length), whose product is at least `times`.
    """
    fits = ((-(-times // n) * n - times, -n, n) for n in STRETCHES if n <= times)
    length = min(fits, default=(0, 0, times))[2]
    return -(-times // length), length
