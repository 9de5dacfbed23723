"""What a book's JSON file holds. `stress.book_io` reads it; `BookFile` prints its JSON Schema."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from stress.errors import InputError

Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Positive = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
Amount = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]
Name = Annotated[str, Field(min_length=1)]


def _moment(value: object) -> object:
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value


def _is_moment(value: str) -> str:
    try:
        datetime.fromisoformat(value)
    except ValueError:
        raise InputError("", "", repr(value), "a time such as 2026-09-08T04:25:36Z") from None
    return value


Moment = Annotated[str, BeforeValidator(_moment), AfterValidator(_is_moment)]


class Part(BaseModel):
    """Base of a book's parts."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Price(Part):
    """Perpetual mark and reserve oracle price where they differ."""

    mark: Positive
    oracle: Positive


class Reserve(Part):
    """Tokens of a lending reserve."""

    supplied: Amount
    borrowed: Amount


class Position(Part):
    """A perpetual position."""

    market: Name = Field(description="COIN, or dex:COIN on a HIP-3 DEX")
    size: Number = Field(description="contracts, negative: short")
    entry_price: Positive
    margin: Literal["cross", "isolated"]
    leverage: Positive | None = Field(
        None, description="selected; the market's maximum if left out"
    )
    margin_balance: Number | None = Field(
        None, description="isolated only: quote units put behind it, without unrealized PnL"
    )
    max_leverage: Positive | None = Field(
        None, description="of a market the venue file does not list: one flat tier"
    )


class Reported(Part):
    """The venue's own figures of an account."""

    portfolio_margin_ratio: Number | None = None
    available_after_maintenance: dict[str, Number] | None = None
    maintenance_margin: Number | None = None
    liquidation_prices: dict[str, Number] | None = None


class AccountEntry(Part):
    """One account."""

    id: Name
    mode: Literal["portfolio", "unified", "cross", "lender"]
    group: Name | None = Field(None, description="the mode if left out")
    balances: dict[str, Number] = Field(
        {}, description="quote tokens without unrealized PnL, negative: loan; dex:TOKEN on a DEX"
    )
    supplied: dict[str, Amount] = Field({}, description="collateral tokens that count")
    positions: list[Position] = []
    reported: Reported | None = None


class BookFile(Part):
    """A book as JSON."""

    model_config = ConfigDict(title="hyperstress book")

    name: Name | None = None
    as_of: Moment
    venue: Name
    prices: dict[str, Positive | Price]
    reserves: dict[str, Reserve] = {}
    settle: dict[str, str] = Field({}, description="market -> quote token, where not the first one")
    margin_tables: dict[str, Annotated[list[tuple[Amount, Positive]], Field(min_length=1)]] = Field(
        {}, description="market -> tiers (lower bound, maximum leverage) the venue file lacks"
    )
    accounts: Annotated[list[AccountEntry], Field(min_length=1)]
