"""The venue's rules as pure kernels: no IO, no randomness, no clock.

Each function is about one position, one account or one reserve on one path at one time, written in
scalars; batching with `jax.vmap`, accounts last, is the engine's business. Start at `venue` (the
dated rule book as one pytree) and `account` (a margin account and what the market shows it);
`margin`, `portfolio`, `critical`, `lending`, `oracle` and `funding` hold the rules; `step` is the
order of play; `status` names how a path can end.
"""
