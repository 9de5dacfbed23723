"""Outcomes of a path, a sentence each. A path is never dropped: it is counted under its status."""

OK = 0
NON_FINITE = 1
PRICE_RANGE = 2
ROUND_LIMIT = 3
EMPTY_DEPTH = 4
RESIDUAL = 5

STATUS = {
    "ok": "The path ran to the horizon.",
    "non_finite": "A price or a rate of the path was not finite: it counts in no event, widens "
    "every interval, and its losses are not finite.",
    "price_range": "A price left the range [1e-6, 1e6] times its start; results stand, the "
    "process is suspect.",
    "round_limit": "A step reached the limit of liquidation rounds with an account still to act, "
    "which acted in the next step.",
    "empty_depth": "A liquidation found an order book empty and waited for depth or the backstop; "
    "results stand.",
    "residual": "Cash of all parties did not sum to zero within the tolerance of the precision: "
    "results of the path are suspect.",
}
NAMES = tuple(STATUS)
