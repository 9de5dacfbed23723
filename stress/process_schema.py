"""What a scenario may say about its price process and the factors beside it."""

import datetime
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, Tag, model_validator

from stress.campaign_parts import BY_KIND, Correlation, Finite, Part, Share, SomeHours
from stress.errors import InputError

PLAIN = ("gbm", "student_t", "t_copula")
JUMPING = ("merton", "kou", "hawkes")
DATA = ("bootstrap", "fhs", "replay")  # read candles
PROCESS_NAMES = (*PLAIN, *JUMPING, "garch", "regime", *DATA)

Positive = Annotated[Finite, Field(gt=0)]
NotNegative = Annotated[Finite, Field(ge=0)]
EachPositive = dict[str, Positive]
EachNotNegative = dict[str, NotNegative]
Each = dict[str, Finite]


class CorrelationMatrix(Part):
    """Correlation of the named assets; others correlate by `default`, if it is given."""

    assets: list[str]
    matrix: list[list[Correlation]]
    default: Correlation | None = None


class Towards(Part):
    """Moves every correlation towards one level: (1 - weight) * rho + weight * level."""

    level: Correlation
    weight: Share


class Jumps(Part):
    """Jumps of merton, kou, hawkes and regime; what is not given comes from the calibration."""

    common_intensity: NotNegative | None = None  # per year
    own_intensity: EachNotNegative | None = None  # per year
    jump_mean: Each | None = None  # log size: merton, hawkes, regime
    jump_deviation: EachNotNegative | None = None
    up_probability: dict[str, Share] | None = None  # kou
    mean_up: EachPositive | None = None  # log size
    mean_down: EachPositive | None = None
    baseline: NotNegative | None = None  # hawkes, per hour
    excitation: NotNegative | None = None  # hawkes, per hour, of every event
    decay: Positive | None = None  # hawkes, per hour


class Garch(Part):
    """GJR-GARCH of hourly log returns; what is not given comes from the calibration."""

    omega: EachPositive | None = None
    alpha: EachNotNegative | None = None
    gamma: Each | None = None
    beta: EachNotNegative | None = None


class Proxy(Part):
    """Stands in for an asset in hours without candles: beta times the return of another."""

    asset: str
    beta: Finite


class Prices(Part):
    """A price process. What is not given comes from `calibration` and `regime`."""

    model_config = ConfigDict(serialize_by_alias=True)

    process: Literal[PROCESS_NAMES]  # type: ignore[valid-type]
    calibration: str | None = None
    regime: Literal["calm", "typical", "stressed", "overall"] = "typical"
    volatility: EachNotNegative = {}
    drift: Each = {}
    correlation: Annotated[
        Annotated[CorrelationMatrix, Tag("mapping")] | Annotated[Correlation | None, Tag("plain")],
        BY_KIND,
    ] = None
    correlation_towards: Towards | None = None
    degrees_of_freedom: Annotated[Finite, Field(gt=2, le=200)] | None = None
    radius: Literal["step", "path"] = "step"
    marginals: dict[str, Annotated[Finite, Field(gt=2, le=200)]] | None = None
    jumps: Jumps = Jumps()
    garch: Garch = Garch()
    stress_depth: Annotated[Finite, Field(gt=0, le=1)] = 1.0  # regime: depth multiplier in stress
    candles: str | None = None
    start: Annotated[datetime.datetime | None, Field(alias="from")] = None
    to: datetime.datetime | None = None
    proxies: dict[str, Proxy] = {}
    block: SomeHours | None = None
    scheme: Literal["stationary", "circular"] = "stationary"

    @model_validator(mode="after")
    def _data(self) -> "Prices":
        if self.process in DATA and self.candles is None:
            allowed = f"a folder of hourly candles, which {self.process} reads"
            raise InputError("", "candles", "nothing", allowed)
        if self.process == "replay" and self.start is None:
            raise InputError("", "from", "nothing", "the hour at which the replay begins")
        return self


class Wander(Part):
    """A factor of zero mean that wanders, answers to returns and is pulled back."""

    volatility: Annotated[
        Annotated[EachNotNegative, Tag("mapping")] | Annotated[NotNegative, Tag("plain")], BY_KIND
    ] = 0.0  # per square root of a year
    half_life: SomeHours
    exposure: Finite = 0.0  # 1, move per log return of what drives it
