"""Who and what makes up the expected shortfall: parts that add up to it."""

from dataclasses import dataclass

import numpy as np

from models.status import NON_FINITE
from stress.book import Book, group_names
from stress.build import Inputs
from stress.campaign import TAIL, Plan, tail_contributions
from stress.errors import InputError
from stress.tail import expected_shortfall
from stress.totals import Totals

MEASURES = ("bad_debt", "equity_loss")
NO_ASSET = "no asset"
DIRECT, FEEDBACK = "prices and rates alone", "feedback of liquidations"


@dataclass(frozen=True, kw_only=True)
class Attribution:
    """Parts of one measure's expected shortfall at 1 - TAIL under one scenario, USDC."""

    shortfall: float
    account: np.ndarray  # [U]
    group: np.ndarray  # [G], in the order of `stress.book.group_names`
    asset: np.ndarray  # [A + 1], assets of the book in order, then NO_ASSET
    mechanism: dict[str, float]

    @property
    def gap(self) -> float:
        """Largest difference between a sum of parts and the expected shortfall, relative."""
        whole = max(1.0, abs(self.shortfall))
        parts = (self.account, self.group, self.asset, np.array(list(self.mechanism.values())))
        return max(abs(float(part.sum()) - self.shortfall) for part in parts) / whole


def check_tail(plan: Plan) -> None:
    """Refuses a number of paths of which the tail is no whole number.

    Errors:
      InputError naming `paths`.
    """
    paths = plan.campaign.spec.paths
    if abs(paths * TAIL - round(paths * TAIL)) > 1e-9 or paths * TAIL < 1:
        allowed = f"a multiple of {round(1 / TAIL)}, so that the worst 1 % is whole paths"
        raise InputError(plan.campaign.file, "paths", str(paths), allowed)


def attributions(plan: Plan, totals: dict[str, Totals]) -> dict[str, dict[str, Attribution]]:
    r"""Euler attribution of expected shortfall, by running the worst paths again.

        ES = E[L | worst] = sum_u E[L_u | worst]

    which is Euler's rule for a loss that is a sum over accounts. Groups sum their accounts. An
    account's part is split over assets by its gross exposure now (positions at mark, collateral at
    its oracle price). Mechanisms: the same measure on the same paths with liquidations not feeding
    back, and what feedback adds.

    Args:
      plan: the campaign, built.
      totals: merged totals.

    Returns:
      scenario -> measure -> parts.

    Errors:
      As `check_tail`. Paths that are not finite make the shortfall NaN; parts leave them out.

    Source:
      Tasche (1999), Risk contributions and performance measurement; design, section 5.
    """
    check_tail(plan)
    book, tails = plan.campaign.book, tail_contributions(plan, totals)
    shares = exposure_shares(book, plan.inputs)
    member = np.array([book.groups == name for name in group_names(book)], float)
    found: dict[str, dict[str, Attribution]] = {}
    for name, total in totals.items():
        found[name] = {}
        for measure in MEASURES:
            account = tails[name][measure]
            found[name][measure] = Attribution(
                shortfall=float(expected_shortfall(total.by_path[measure], 1 - TAIL).value),
                account=account,
                group=member @ account,
                asset=account @ shares,
                mechanism=_mechanisms(total, measure),
            )
    return found


def exposure_shares(book: Book, inputs: Inputs) -> np.ndarray:
    """Share of each asset in an account's gross exposure `[U, A + 1]`; the last column: none."""
    today, iso = inputs.today, book.isolated
    gross = np.zeros((len(book.ids), len(inputs.assets) + 1))
    marks = np.array([book.marks[m] for m in book.markets])
    for m, asset in enumerate(today.market_asset):
        gross[:, asset] += np.abs(book.size[:, m]) * marks[m]
        here = iso.market == m
        np.add.at(gross[:, asset], iso.account[here], np.abs(iso.size[here]) * marks[m])
    for c, asset in enumerate(today.token_asset):
        gross[:, asset] += book.supplied[:, c] * book.token_prices[book.tokens[c]]
    whole = gross.sum(axis=1)
    gross[whole == 0, -1] = 1.0
    return gross / gross.sum(axis=1, keepdims=True)


def _mechanisms(total: Totals, measure: str) -> dict[str, float]:
    """Mean over the worst paths without feedback, and what feedback adds."""
    losses = np.where(total.by_path["status"] == NON_FINITE, -np.inf, total.by_path[measure])
    worst = np.lexsort((np.arange(len(losses)), -losses))[: round(TAIL * len(losses))]
    whole = float(losses[worst].mean())
    alone = total.by_path.get(f"frozen_{measure}")
    if alone is None:
        return {DIRECT: whole}
    direct = float(alone[worst].mean())
    return {DIRECT: direct, FEEDBACK: whole - direct}
