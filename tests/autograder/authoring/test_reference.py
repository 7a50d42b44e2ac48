"""Code comes out of the library with its signature and docstring, its body between the marks."""

import pytest

from autograder.authoring.reference import UnknownObjectError, solution_bodies, solution_source


def test_a_function_keeps_signature_and_docstring_outside_the_marks():
    source = solution_source(("tinytorch.capstone.classification_accuracy",), ())
    head, _, rest = source.partition("    ### BEGIN SOLUTION\n")
    assert head.startswith("def classification_accuracy(")
    assert head.rstrip().endswith('"""')
    body, _, tail = rest.partition("    ### END SOLUTION")
    assert "np.argmax" in body
    assert tail == ""


def test_only_the_named_methods_are_to_be_written():
    source = solution_source(
        ("tinytorch.capstone.BenchmarkReport",), ("BenchmarkReport.benchmark_model",)
    )
    assert source.count("### BEGIN SOLUTION") == 1
    given = source.partition("### BEGIN SOLUTION")[0]
    assert "self.metrics: dict[str, Any] = {}" in given


def test_what_is_marked_is_valid_python_before_and_after():
    names = (
        "tinytorch.capstone.SimpleMLP",
        "tinytorch.capstone.improvement_metrics",
        "tinytorch.capstone.generate_submission",
    )
    compile(solution_source(names, ()), "marked", "exec")
    for body in solution_bodies(names, ()):
        assert body
        assert "SOLUTION" not in body


def test_an_object_is_found_where_it_is_defined_not_where_it_is_exported():
    assert solution_source(("tinytorch.datasets.load_digits",), ()) == solution_source(
        ("tinytorch.datasets.digits.load_digits",), ()
    )


@pytest.mark.parametrize("name", ["tinytorch.capstone.Nope", "tinytorch.no.Such", "plain"])
def test_an_unknown_object_is_named(name):
    with pytest.raises(UnknownObjectError, match=name):
        solution_source((name,), ())
