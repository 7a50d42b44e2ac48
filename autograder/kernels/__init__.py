"""The Jupyter kernel that student code runs in: bounded, in a clean environment."""
