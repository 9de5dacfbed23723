"""Length of the blocks in which hours are resampled, by the library `arch`."""

import numpy as np

from stress.calibrate_prices import Series


def mean_blocks(returns: Series, scheme: str = "stationary") -> list[float]:
    """Optimal mean block of the absolute returns of each asset, hours, at least 1.

    Args:
      returns: hourly log returns, `[n, A]`, no NaN.
      scheme: stationary or circular.

    Returns:
      One length an asset.

    Errors:
      Raises nothing.

    Source:
      Politis and White (2004) with the correction of Patton, Politis and White (2009).
    """
    from arch.bootstrap import optimal_block_length

    found = optimal_block_length(np.abs(returns))[scheme]
    return [max(float(x), 1.0) for x in found.to_list()]
