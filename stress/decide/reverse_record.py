"""What reverse stress leaves behind: campaigns that replay its worlds, a dataset, a summary."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from stress.calibrate_record import write_yaml
from stress.campaign import plan, run_blocks, tail_contributions
from stress.config import campaign_of
from stress.decide.reverse import Reverse, World, course_grid
from stress.decide.still import NAME, move_overlays, still_document
from stress.events import NAMES
from stress.labels import STATISTICS, attrs, stacked

FACTORS = {
    "price": "log price of the asset at the horizon",
    "basis": "log of mark over oracle of the asset",
    "depth": "log of the depth multiplier of all assets",
    "utilization": "log utilization of the reserve by outside lenders and borrowers, uncapped",
}


@dataclass(frozen=True, kw_only=True)
class Played:
    """A world as `hyperstress run` plays it."""

    document: dict[str, Any]  # content of its campaign file
    losses: dict[str, float]  # measure -> USDC (accounts)
    equity_loss: np.ndarray  # [U] USDC
    bad_debt: np.ndarray  # [U] USDC
    first: np.ndarray  # [U] hours of the first liquidation, NaN: none
    peak_utilization: np.ndarray  # [Q] 1


def play(found: Reverse, world: World, number: int) -> Played:
    """Plays one world by itself, from the campaign that is written of it.

    Args:
      found: of `stress.decide.reverse.reverse`.
      world: one of its worlds.
      number: of the world, from 1.

    Returns:
      Its losses. With feedback they may differ from the world's own where the order of
      liquidations is drawn.
    """
    campaign, grid = found.campaign, course_grid(found.course)
    overlays = move_overlays(found.course.layout, world.moves, world.lag, float(grid[-1]))
    name = f"{campaign.spec.name}-{found.scenario}"[:68] + f"-reverse-{number}"
    text = (
        f"Answer {number} of reverse stress under the scenario {found.scenario}: "
        f"{found.event.label}, {world.distance:.4g} deviations from the centre."
    )
    document = still_document(
        campaign, found.scenario, name=name, description=text, overlays=overlays
    )
    played = dataclasses.replace(campaign_of(document, campaign.file), book=campaign.book)
    built = plan(played)
    totals = run_blocks(built, None, 1)
    shares = tail_contributions(built, totals)[NAME]
    total = totals[NAME]
    counts = total.counts["first"]  # [T + 1, U], the last row: never
    hours = np.append(grid, np.nan)
    return Played(
        document=document,
        losses={name: float(total.by_path[name][0]) for name in NAMES},
        equity_loss=shares["equity_loss"],
        bad_debt=shares["bad_debt"],
        first=hours[np.argmax(counts > 0, axis=0)],
        peak_utilization=np.atleast_1d(total.by_path["peak_utilization"][0]),
    )


def write_replays(played: list[Played], folder: Path) -> list[Path]:
    """Writes `replay-1.yaml` and on, one campaign a world."""
    files = []
    for number, one in enumerate(played, start=1):
        files.append(folder / f"replay-{number}.yaml")
        write_yaml(files[-1], one.document)
    return files


def record(found: Reverse, played: list[Played], attributes: dict[str, Any]) -> xr.Dataset:
    """The dataset of a reverse stress.

    Args:
      found: of `stress.decide.reverse.reverse`.
      played: its worlds, played.
      attributes: further attributes, text or numbers.

    Returns:
      Dataset with dims answer, factor, other, measure, account, statistic; every variable with
      unit, name and definition.
    """
    law, book, worlds = found.law, found.campaign.book, found.worlds
    count, size = len(worlds), len(book.ids)

    def rows(values: list, width: int) -> np.ndarray:
        return np.array(values, np.float64).reshape(count, width)

    deviation = law.deviation
    scale = np.where(deviation > 0, deviation, np.nan)
    moves = rows([w.moves for w in worlds], len(law.names))
    far = "Distance of the factors' moves from their mean by their covariance (Mahalanobis)."
    variables: dict[str, Any] = {
        "move": (("answer", "factor"), moves, attrs(
            "1", "move at the horizon", "Against the world of the overlays alone: "
            + "; ".join(f"{k}: {v}" for k, v in FACTORS.items()) + ".")),
        "deviations": (("answer", "factor"), (moves - law.mean) / scale, attrs(
            "1", "deviations", "Move less mean over standard deviation; NaN: stands still.")),
        "mean": ("factor", law.mean, attrs("1", "mean move", "Over the scenario's own paths.")),
        "deviation": ("factor", deviation, attrs("1", "standard deviation", "At the horizon.")),
        "covariance": (("factor", "other"), law.covariance, attrs(
            "1", "covariance", "Of the moves at the horizon.")),
        "oracle_lag": ("answer", [w.lag for w in worlds], attrs(
            "h", "lag of the oracle", "Hours the oracle is late all the way.")),
        "distance": ("answer", [w.distance for w in worlds], attrs("1", "distance", far)),
        "unpolished_distance": ("answer", [w.unpolished for w in worlds], attrs(
            "1", "distance by gradients", "Before the search without gradients.")),
        "probability": ("answer", [w.probability for w in worlds], attrs(
            "1", "probability of the half-space", "Phi(-distance): that the factors go at least as "
            "far in this direction, were they Gaussian with this covariance.")),
        "sampled_probability": (("answer", "statistic"), rows(
            [stacked(w.sampled) for w in worlds], len(STATISTICS)), attrs(
            "1", "share of sampled paths", "Of the scenario's own paths, the share that goes at "
            "least as far in this direction; NaN: it needs a factor that is assumed.")),
        "loss": (("answer", "measure"), rows(
            [list(p.losses.values()) for p in played], len(NAMES)), attrs(
            "USDC", "loss", "Of the book in the replay; liquidated_accounts in accounts.")),
        "account_equity_loss": (("answer", "account"), rows(
            [p.equity_loss for p in played], size), attrs(
            "USDC", "loss of equity", "Of each account in the replay.")),
        "account_bad_debt": (("answer", "account"), rows([p.bad_debt for p in played], size), attrs(
            "USDC", "bad debt", "Of each account in the replay, at its first liquidation.")),
        "account_first": (("answer", "account"), rows([p.first for p in played], size), attrs(
            "h", "first liquidation", "Hours from now; NaN: none.")),
        "account_rank": (("answer", "account"), rows(
            [ranks(found.event.measure, p) for p in played], size), attrs(
            "1", "rank", "By bad debt or whether liquidated, as the loss asked for, then by loss "
            "of equity; 0 first.")),
        "peak_utilization": (("answer", "token"), rows(
            [p.peak_utilization for p in played], len(found.course.layout.quotes)), attrs(
            "1", "peak utilization", "Of each reserve in the replay.")),
    }  # fmt: skip
    coordinates = {
        "answer": np.arange(1, count + 1),
        "factor": list(law.names), "other": list(law.names),
        "factor_source": ("factor", list(law.source)),
        "measure": list(NAMES), "statistic": list(STATISTICS),
        "account": [str(i) for i in book.ids], "account_group": ("account", book.groups.tolist()),
        "token": list(found.course.layout.quotes),
    }  # fmt: skip
    told = {
        "kind": "reverse",
        "campaign": found.campaign.spec.name, "scenario": found.scenario,
        "metric": found.event.measure, "at_least": found.event.level, "event": found.event.label,
        "definition": found.event.definition, "central_loss": found.central,
        "most_seen": found.most,
        "horizon_hours": float(course_grid(found.course)[-1]),
        "feedback": str(found.campaign.spec.feedback), "venue": found.campaign.venue.name,
        "book": book.name, "book_as_of": book.as_of, "lag_deviation_hours": law.lag_deviation,
        "sampled_paths": len(law.sampled),
    }  # fmt: skip
    return xr.Dataset(variables, coordinates, told | attributes)


def ranks(metric: str, one: Played) -> np.ndarray:
    """Rank of each account by what it means for the loss that was asked for, `[U]` int, 0 first.

    For bad debt those with the most of it go first, for what is liquidated the liquidated ones;
    among equals the larger loss of equity.
    """
    first = np.zeros_like(one.equity_loss)
    if metric == "bad_debt":
        first = one.bad_debt
    elif metric.startswith("liquidated"):
        first = np.isfinite(one.first).astype(float)
    return np.argsort(np.lexsort((-one.equity_loss, -first)))


def summary(results: xr.Dataset, top: int = 10) -> dict[str, Any]:
    """The machine-readable summary: every answer with its factors, losses and worst accounts."""

    def plain(value: Any) -> float | None:
        return float(value) if np.isfinite(value) else None

    answers = []
    for answer in results["answer"].values:
        at = results.sel(answer=answer)
        value, error, low, high = map(plain, at["sampled_probability"].values)
        answers.append({
            "distance": float(at["distance"]),
            "probability": float(at["probability"]),
            "sampled": {"value": value, "standard_error": error, "ci95": [low, high]},
            "oracle_lag_hours": float(at["oracle_lag"]),
            "moves": {
                str(f): {"move": float(at["move"][k]), "deviations": plain(at["deviations"][k]),
                         "source": str(at["factor_source"].values[k])}
                for k, f in enumerate(results["factor"].values)
            },
            "losses": {
                str(m): plain(at["loss"][k]) for k, m in enumerate(results["measure"].values)
            },
            "accounts": [
                {"id": str(results["account"].values[a]),
                 "group": str(results["account_group"].values[a]),
                 "equity_loss": plain(at["account_equity_loss"][a]),
                 "bad_debt": plain(at["account_bad_debt"][a]),
                 "first_liquidation_hours": plain(at["account_first"][a])}
                for a in np.argsort(at["account_rank"].values)[:top]
            ],
            "replay": f"replay-{int(answer)}.yaml",
        })  # fmt: skip
    keys = ("campaign", "scenario", "metric", "at_least", "event", "central_loss",
            "most_seen", "horizon_hours", "feedback", "venue", "book")  # fmt: skip
    return {k: results.attrs[k] for k in keys} | {"answers": answers}
