"""A sweep compiles once: other figures of venue, scenario, cascade and seed trace nothing anew."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from campaign_cases import CRASH, small_campaign
from test_cascade_campaign import SMALL_BOOKS, crowd

from stress.block_store import digest
from stress.campaign import Plan, _cascade_inputs, _world, compile_ahead, compute_block, plan
from stress.cascade_block import run_cascade

TRACE = "/jax/core/compile/jaxpr_trace_duration"
COMPILE = "/jax/core/compile/backend_compile_duration"
SHAPE = (
    ("feedback", True), ("paths", 16), ("horizon", "6h"), ("book", crowd(3)),
    ("scenarios.crash", ...), ("scenarios.run.overlays.1", CRASH),
    ("cascade", {"impact": SMALL_BOOKS}),
)  # fmt: skip
STATED = "source: project, as_of: 2026-08-20"
VENUE = f"""
venue: hyperliquid
date: 2026-08-20
extends: hyperliquid/2026-08-19
tokens:
  HYPE:
    ltv: {{value: 0.41, unit: "1", {STATED}}}
    user_supply_cap: {{value: 11, unit: HYPE, {STATED}}}
quotes:
  USDC:
    user_borrow_cap: {{value: 3000, unit: USDC, {STATED}}}
lending:
  base_rate: {{value: 0.5, unit: 1/year, {STATED}}}
  kink: {{value: 0.5, unit: "1", {STATED}}}
margin_tables:
  tiered_10x_large: {{value: [[0, 8], [2000, 3]], unit: "[USDC, 1]", {STATED}}}
"""


@pytest.fixture
def work() -> Iterator[list[tuple[str, str]]]:
    """(event, name of the program) of everything that JAX traces or compiles, from nothing on."""
    jax.clear_caches()  # what tests before left in the process
    seen: list[tuple[str, str]] = []

    def listen(event: str, duration_secs: float, **facts: Any) -> None:
        if event in (TRACE, COMPILE):
            seen.append((event, str(facts.get("fun_name"))))

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield seen
    jax.monitoring.unregister_event_duration_listener(listen)


def changed(folder: Path, *changes: tuple[str, Any]) -> Plan:
    return plan(small_campaign(folder, *SHAPE, *changes))


def test_a_sweep_traces_nothing_anew(tmp_path: Path, work: list[tuple[str, str]]) -> None:
    (tmp_path / "venue.yaml").write_text(VENUE, encoding="utf-8")
    made = changed(tmp_path)
    compile_ahead(made, "run")
    ahead = [name for event, name in work if event == COMPILE]
    work.clear()
    blocks = [compute_block(made, "run", 0)]
    engines = {"run_block", "run_cascade"}
    assert all(any(engine in name for name in ahead) for engine in engines)
    assert not any(engine in name for _, name in work for engine in engines)
    prices = "scenarios.run.prices"
    sweep: tuple[tuple[tuple[str, Any], ...], ...] = (
        (("seed", 12), ("assumptions", {"rate_convention": "effective"})),
        (("venue", "venue.yaml"),),
        ((f"{prices}.volatility", {"BTC": 0.3, "HYPE": 3.0}), (f"{prices}.correlation", 0.1)),
        (("scenarios.run.overlays.0.lender_run.share", 0.2), ("cascade.impact_scale", 2.0)),
        (("cascade.impact.HYPE.volume", 5e4), ("cascade.vault_capital", 1e3)),
    )
    for changes in sweep:
        other = changed(tmp_path, *changes)
        work.clear()
        blocks.append(compute_block(other, "run", 0))
        assert work == [], changes
    assert len({digest(block) for block in blocks}) == len(blocks)  # every change was one


def test_another_shape_is_seen(tmp_path: Path, work: list[tuple[str, str]]) -> None:
    """Negative control: the count counts. Traced, not compiled."""
    made = changed(tmp_path, ("horizon", "5h"))
    world = jax.eval_shape(partial(_world, made, "run"), jnp.arange(16), jnp.ones(16, bool))
    work.clear()
    run_cascade.trace(*_cascade_inputs(made, "run", world))
    assert any("run_cascade" in name for event, name in work if event == TRACE)
