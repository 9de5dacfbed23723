"""The report of a study of interest: how long loans last, and what a point of utilization does."""
