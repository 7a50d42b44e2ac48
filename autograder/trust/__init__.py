"""Two processes, one verdict: test cells here, the student's objects there, plain data between."""
