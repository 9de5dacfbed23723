"""From the dataset of a tuning to a memo whose first line is the recommendation.

- `words`: names and values of variables, limits and risks, as people say them.
- `memo`: the sentences; `memo.markdown` for a mail, the page for a committee.
- `figures`: one function per plot; `gallery` frames them.
- `page`: one self-contained HTML file. Start here.
"""
