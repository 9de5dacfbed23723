"""Reverse stress along the cascade."""

from campaign_cases import position
from reverse_cases import book, solved


def test_with_feedback():
    """Along the cascade the same loss is nearer than, or as near as, without it."""
    crowd = [
        {"id": f"t{k}", "mode": "cross", "group": "trader",
         "balances": {"USDC": 900.0 + 100 * k},
         "positions": [position("HYPE", 80.0, 84.0, leverage=5)]}
        for k in range(8)
    ]  # fmt: skip
    cascade = {"impact": {"HYPE": {"volume": 2e4, "pass_through": 0.5}}, "vault_capital": 2e3}
    changes = [("book", book(*crowd)), ("feedback", True), ("cascade", cascade)]
    asked = {"metric": "liquidated_notional", "answers": 1, "kinds": ("prices", "depth")}
    level = 6.5 * 80 * 84 * 0.9
    fed = solved(level, *changes, **asked, rounds=3).worlds[0]
    frozen = solved(level, ("book", book(*crowd)), **asked, rounds=3).worlds[0]
    assert fed.loss >= level and frozen.loss >= level
    assert fed.distance < frozen.distance
    assert fed.led
