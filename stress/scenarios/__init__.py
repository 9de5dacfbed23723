"""Price processes, one a file, and overlays.

A process is a pytree of parameters with two functions: `normals_per_step(model)` and
`log_returns(model, normals [T, n], step_hours [] or [T]) -> [T, A]`. Randomness comes in as
independent standard normals, so that any sampler can drive it. `stress.market.PROCESSES` lists
them, `stress.campaign_schema.Prices` names them in files, `stress.build` makes them.
"""
