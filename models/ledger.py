"""Who has paid whom: every party's cash, and the identity that nothing is made or lost.

One path. A transfer is booked on both sides where it happens, each side by its own arithmetic, so
the sum over parties is a check and not a definition. Perpetuals and tokens are checked in units,
since revaluing them is nobody's transfer.
"""

import dataclasses
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Amount = Float[Array, "..."]


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Parties:
    """Cash of the parties besides the book's accounts, change since the start, USDC."""

    makers: Amount  # order books, spot buyers and counterparties of funding outside the book
    vault: Amount  # liquidator vault, backstop of perpetuals
    takeover: Amount  # backstop of collateral and loans, its capital included
    buffer: Amount  # interest the reserve keeps against losses
    suppliers: Amount  # of the reserve, outside the book
    borrowers: Amount  # of the reserve, outside the book
    gross: Amount  # sum of amounts booked without sign, the scale of the residual


def nothing(like: Amount) -> Parties:
    """Parties to which nothing has happened."""
    zero = jnp.zeros_like(like)
    return Parties(**{f.name: zero for f in dataclasses.fields(Parties)})


def booked(parties: Parties, **changes: Amount) -> Parties:
    """Adds amounts to the named parties."""
    moved = sum((jnp.abs(x) for x in changes.values()), jnp.zeros_like(parties.gross))
    new = {name: getattr(parties, name) + x for name, x in changes.items()}
    return dataclasses.replace(parties, gross=parties.gross + moved, **new)


def residual(parties: Parties, accounts: Amount, scale: Amount) -> Amount:
    """What has been made or lost, relative to everything moved: 0 up to rounding.

        |accounts + makers + vault + takeover + buffer + suppliers + borrowers| / (gross + scale)

    Args:
      parties: of one path.
      accounts: USDC, change of all accounts' cash since the start.
      scale: USDC, the accounts' cash without sign at the start: its rounding is not a leak.

    Returns:
      1. Measured below 1e-12 in float64, about 1e-7 with accounts in float32.

    Errors:
      Raises nothing; NaN in gives NaN out.
    """
    names = ("makers", "vault", "takeover", "buffer", "suppliers", "borrowers")
    total = sum((getattr(parties, name) for name in names), accounts)
    return jnp.abs(total) / (parties.gross + scale + 1)
