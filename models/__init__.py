"""The venue's rules as pure kernels: no IO, no randomness, no clock.

Each function is about one position, one account or one reserve on one path at one time, written in
scalars; batching with `jax.vmap`, accounts last, is the engine's business. Start at `venue` (the
dated rule book as one pytree) and `account` (a margin account and what the market shows it);
`margin`, `portfolio`, `critical`, `lending`, `oracle` and `funding` hold the rules; `step` is the
order of play of a frozen account. What liquidations do stands in `liquidation` (who and how much),
`impact` (prices), `adl` (winners), `reserve` (the pool with the book inside) and `ledger` (who has
paid whom). `status` names how a path can end.
"""
