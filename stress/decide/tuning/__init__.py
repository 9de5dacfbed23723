"""Tuning: which loan-to-values, caps and rate curve lend most while losses stay bounded.

    tuning file -> `problem` (campaign, variables, requirements, all checks)
    candidate   -> `candidate`: a venue with other figures, leaves alone
                -> `response`:  the book as its borrowers answer to it, leaves alone
                -> `evaluate`:  losses of every path, the same random numbers for every candidate
                -> `bounds`:    estimates with upper confidence bounds
    `search`, `search_optuna`   which candidates to look at; `kept` resumes what was looked at
    `choose`    feasible ones, the best, fresh seeds, front, shadow prices, steps
    `curves`    where along one variable the limits are reached, with bands
    `dataset`   everything with labels and units; `reports.tuning` draws and writes it

The pytrees: `Venue` (float64), `FrozenBook` (float64 at the start, then in the precision of the
run), of a cascade `Setting` and its groups. A candidate replaces figures in them, never their
structure, so one compiled program serves all. Paths are sampled once and kept up to a limit of
memory; what a reserve does with them is computed anew where its start or its curve changes. What
stays of a candidate are its losses path by path, so that two candidates can be compared in pairs.

A choice is made in two parts. The search compares upper confidence bounds on one set of random
numbers; the best of many then looks better than it is (winner's curse), so the best are simulated
again with fresh seeds, in the order of the objective, until one meets every limit there too.
"""
