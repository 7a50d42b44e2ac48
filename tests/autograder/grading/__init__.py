"""Grading with the real commands, on classes small enough to be graded often."""
