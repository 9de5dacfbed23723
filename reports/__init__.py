"""From a results dataset to a page that can be handed to a risk committee.

Nothing is simulated or estimated here: every figure, table and sentence shows numbers of an
`xarray.Dataset` that describes itself (units, definitions, intervals, provenance). The rooms,
from the bottom up:

- `reports.units`: numbers as people read them, `$12.3M`, `0.43 %`, `3.1 h`, with intervals.
- `reports.selection`: what to show of a dataset; the worst scenario, the accounts that matter.
- `reports.theme`: colours, type and layout of figures, without any global state.
- `reports.scales`: ticks and units of the axes.
- `reports.figures`: one function per plot, `(results, ax, ...) -> ax`.
- `reports.frames`: a finished figure, and titles of panels.
- `reports.gallery`: the figures of the page, each with its caption and its text alternative.
- `reports.tables`: summary, groups, accounts.
- `reports.context`: what stands behind them; price moves, outcomes of paths, assumptions,
  definitions, provenance.
- `reports.phrases`, `reports.memo`: parts of sentences; the lead, a verdict of a few of them.
- `reports.cascade`, `cascade_figures`, `cascade_gallery`, `cascade_tables`, `cascade_memo`: the
  same of liquidation cascades, shown where a dataset holds them (campaigns with feedback).
- `reports.page`: one self-contained HTML file out of all of them. Start here.

To add a figure: write its function in `figures`, frame it in `gallery`, and name it in the
section of `templates/report.html` where it belongs.
"""
