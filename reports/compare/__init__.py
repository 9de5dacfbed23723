"""The memo of a rule change: both sides of a comparison, their difference, a verdict."""
