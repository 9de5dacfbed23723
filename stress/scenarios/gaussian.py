"""Pieces the price processes share: factor of a correlation matrix, checks, time scale."""

from collections.abc import Mapping, Sequence

import numpy as np

from stress.errors import InputError

HOURS_PER_YEAR = 365 * 24


def correlation_factor(matrix: np.ndarray, file: object, key: str) -> np.ndarray:
    """Lower Cholesky factor of a correlation matrix, checked.

    Args:
      matrix: `[A, A]`.
      file: file the matrix came from, for the message.
      key: its key in that file.

    Returns:
      `[A, A]`, lower triangular, L L^T = matrix.

    Errors:
      InputError where the matrix is not square, symmetric, of unit diagonal or positive definite
      (least eigenvalue 1e-10).
    """
    shape = matrix.shape
    if matrix.ndim != 2 or shape[0] != shape[1]:
        raise InputError(file, key, f"an array of shape {shape}", "a square matrix")
    if not np.isfinite(matrix).all():
        raise InputError(file, key, "an entry that is not finite", "correlations in [-1, 1]")
    if not np.allclose(matrix, matrix.T, atol=1e-12):
        raise InputError(file, key, "a matrix that is not symmetric", "a symmetric matrix")
    if not np.allclose(np.diag(matrix), 1, atol=1e-9):
        raise InputError(file, key, f"diagonal {np.diag(matrix).tolist()}", "a diagonal of ones")
    least = float(np.linalg.eigvalsh(matrix).min())
    if least <= 1e-10:
        raise InputError(
            file, key, f"a matrix whose least eigenvalue is {least:.3g}", "a positive definite one"
        )
    return np.linalg.cholesky(matrix)


def per_asset(
    values: Mapping[str, float], assets: Sequence[str], file: object, key: str
) -> np.ndarray:
    """Values of `assets` in order; `default` stands for the assets not named, `[A]`."""
    missing = [a for a in assets if a not in values and "default" not in values]
    if missing:
        raise InputError(
            file, key, f"no value for {', '.join(missing)}", "one for every asset, or `default`"
        )
    return np.array([values.get(a, values.get("default", np.nan)) for a in assets])
