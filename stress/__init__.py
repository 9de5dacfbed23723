"""Everything that samples, loops, estimates, reads or writes.

The way of a campaign: `config` reads and checks it, `build` makes the pytrees, `market` samples
paths (`scenarios`, `utilization`), `engine` runs the frozen book of `frozen` along them,
`aggregate` and `totals` merge blocks that `campaign` computes and `store` keeps, `estimate` and
`metrics` make numbers with intervals of them, `dataset` labels these, `cli` and `commands` speak
with people. With feedback `cascade` takes the engine's place: `cascade_state` is what it carries,
`cascade_rounds` on the accounts in `cascade_seats`, `_handover`, `_adl`, `_inventory`, `_reserve`,
`_outside` and `_record` play a step, `cascade_block` and `cascade_reduce` bring it to blocks.
Books: `book`, `book_io`, `book_import`, `synth`. Rule books: `venues`. Figures from recorded data:
`calibrate`. Is this machine fit: `doctor`.
"""
