"""Decisions: parameters, reverse stress, sensitivity."""
