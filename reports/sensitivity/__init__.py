"""The report of a study of sensitivity: which assumption matters, who makes up the tail."""
