"""Recorded answers of the venue's info API: reading them, and what they say about everyone."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stress.book import Tiers
from stress.errors import InputError
from stress.files import read_json
from stress.venue_files import VenueBook

PERPS, SPOT = "clearinghouseState", "spotClearinghouseState"


class Answer:
    """A recorded answer that names its file and key where something is amiss."""

    def __init__(self, file: Path, value: Any, key: str = "") -> None:
        self.file, self.value, self.key = file, value, key

    def at(self, *path: str | int) -> "Answer":
        """The entry at a path; a missing one is an InputError."""
        answer = self
        for part in path:
            key = f"{answer.key}[{part}]" if isinstance(part, int) else f"{answer.key}.{part}"
            try:
                answer = Answer(self.file, answer.value[part], key.lstrip("."))
            except (LookupError, TypeError):
                raise InputError(self.file, key.lstrip("."), "nothing", "this key") from None
        return answer

    def each(self) -> Iterator["Answer"]:
        """The entries of a list."""
        if not isinstance(self.value, list):
            raise InputError(self.file, self.key, repr(self.value)[:40], "a list")
        return (self.at(i) for i in range(len(self.value)))

    def has(self, key: str) -> bool:
        """Whether a mapping has a value under the key."""
        return isinstance(self.value, dict) and self.value.get(key) is not None

    def number(self) -> float:
        """A number, which the venue writes as text."""
        try:
            value = float(self.value)
        except (TypeError, ValueError):
            value = math.nan
        if not math.isfinite(value):
            raise InputError(self.file, self.key, repr(self.value)[:40], "a finite number")
        return value


class Shared:
    """What the answers say about markets and reserves."""

    def __init__(self, root: Path, folders: list[Path], rules: VenueBook) -> None:
        self.rules = rules
        self.names: dict[int, str] = {}  # token index -> name
        self.marks: dict[str, float] = {}  # of markets in which somebody has a position
        self.maximum: dict[str, float] = {}
        self.contexts: dict[str, tuple[float, float]] = {}
        self.tables: dict[str, Tiers] = {}
        self.settle: dict[str, str] = {}
        self.reserves: dict[str, dict[str, float]] = {}
        self.token_prices: dict[str, float] = {}
        for path in folders:
            for balance in load(path / f"{SPOT}.json").at("balances").each():
                token = int(balance.at("token").number())
                self.names[token] = str(balance.at("coin").value)
            for _, state in states(path):
                for entry in state.at("assetPositions").each():
                    self._position(entry.at("position"))
        for path in dict.fromkeys([root, *folders]):
            self._markets(path)
            if (path / "allBorrowLendReserveStates.json").is_file():
                self._reserves(load(path / "allBorrowLendReserveStates.json"))

    def _position(self, position: Answer) -> None:
        """Mark and maximum leverage; of two records the first mark, the lower leverage."""
        coin, size = str(position.at("coin").value), position.at("szi").number()
        if size == 0:
            raise InputError(position.file, f"{position.key}.szi", "0", "contracts, not 0")
        # The venue's value is a product of decimals: 12 digits take the quotient's rounding off.
        mark = position.at("positionValue").number() / abs(size)
        self.marks.setdefault(coin, float(f"{mark:.12g}"))
        leverage = position.at("maxLeverage").number()
        self.maximum[coin] = min(leverage, self.maximum.get(coin, leverage))

    def _markets(self, path: Path) -> None:
        for file in sorted([*path.glob("meta.json"), *path.glob("meta.*.json")]):
            self._meta(load(file))
        both = [*path.glob("metaAndAssetCtxs.json"), *path.glob("metaAndAssetCtxs.*.json")]
        for file in sorted(both):
            answer = load(file)
            coins = self._meta(answer.at(0))
            for coin, context in zip(coins, answer.at(1).each(), strict=False):
                if context.has("markPx") and context.has("oraclePx"):
                    prices = context.at("markPx").number(), context.at("oraclePx").number()
                    self.contexts[coin] = prices

    def _meta(self, meta: Answer) -> list[str]:
        """Margin tables of markets that the venue file does not list; names of the universe."""
        tables = {
            int(table.at(0).number()): tuple(
                (tier.at("lowerBound").number(), tier.at("maxLeverage").number())
                for tier in table.at(1, "marginTiers").each()
            )
            for table in (meta.at("marginTables").each() if meta.has("marginTables") else ())
        }
        collateral = meta.at("collateralToken").value if meta.has("collateralToken") else 0
        coins = []
        for entry in meta.at("universe").each():
            coin = str(entry.at("name").value)
            coins.append(coin)
            number = entry.at("marginTableId").value if entry.has("marginTableId") else None
            if number in tables and coin not in self.rules.file.markets:
                self.tables[coin] = tables[number]
            if collateral != 0:
                self.settle[coin] = self.names.get(collateral, f"token {collateral}")
        return coins

    def _reserves(self, answer: Answer) -> None:
        for entry in answer.each():
            name = self.names.get(int(entry.at(0).number()))
            if name is None:  # no account lists the token, so none holds it
                continue
            state = entry.at(1)
            self.token_prices[name] = state.at("oraclePx").number()
            self.reserves[name] = {
                "supplied": state.at("totalSupplied").number(),
                "borrowed": state.at("totalBorrowed").number(),
            }

    def prices(self) -> dict[str, Any]:
        """Marks of markets, oracle prices of tokens; of two oracle prices the reserve's."""
        found: dict[str, Any] = {}
        for name in sorted({*self.marks, *self.contexts, *self.token_prices}):
            token = self.token_prices.get(name)
            mark, oracle = self.contexts.get(name, (token, token))
            mark = self.marks.get(name, mark)
            oracle = token if token is not None else oracle if oracle is not None else mark
            found[name] = mark if mark == oracle else {"mark": mark, "oracle": oracle}
        return found


def states(path: Path) -> Iterator[tuple[str, Answer]]:
    """Perpetual states of an account: the venue's own markets, then each HIP-3 DEX."""
    yield "", load(path / f"{PERPS}.json")
    for file in sorted(path.glob(f"{PERPS}.*.json")):
        yield file.name.split(".")[1], load(file)


def load(file: Path) -> Answer:
    """Reads one recorded answer; InputError where it is not JSON."""
    return Answer(file, read_json(file))
