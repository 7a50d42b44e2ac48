"""Submissions that try to cheat, spy, hang or harm, and honest ones that must not pay for it."""
