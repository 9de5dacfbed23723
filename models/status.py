"""Outcomes of a path, a sentence each. A path is never dropped: it is counted under its status."""

OK = 0
NON_FINITE = 1
PRICE_RANGE = 2

STATUS = {
    "ok": "The path ran to the horizon.",
    "non_finite": "A price or a rate of the path was not finite: it counts in no event, widens "
    "every interval, and its losses are not finite.",
    "price_range": "A price left the range [1e-6, 1e6] times its start; results stand, the "
    "process is suspect.",
}
NAMES = tuple(STATUS)
