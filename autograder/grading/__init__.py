"""nbgrader plug-ins: how a submission is read, run and reported."""
