"""Laws of the traffic: every NumPy operation is seen once, at the size of its arrays."""

import numpy as np
import pytest

from tinytorch.perf.acceleration import (
    Operation,
    bytes_moved,
    direct_attention,
    fused_gelu,
    fusion_report,
    least_bytes,
    peak_bytes,
    record_operations,
    unfused_bias_relu,
    unfused_gelu,
    unfused_layer_norm,
)

X = np.linspace(-1, 1, 600, dtype=np.float32).reshape(20, 30)
SIZE = X.nbytes


def test_operators_are_recorded_in_order():
    """Two operands are read, one result is written; a broadcast one counts at its own size."""
    bias = X[0].copy()
    assert record_operations(unfused_bias_relu, X, bias) == [
        Operation("add", SIZE + bias.nbytes, SIZE),
        Operation("maximum", SIZE, SIZE),
    ]


def test_the_naive_gelu_moves_eighteen_arrays():
    """Eight operators, of which two have two array operands."""
    operations = record_operations(unfused_gelu, X)
    assert [operation.name for operation in operations].count("multiply") == 4
    assert bytes_moved(operations) == 18 * SIZE


def test_reductions_write_less_than_they_read():
    """A mean over rows of 30 writes a thirtieth."""
    operations = record_operations(lambda x: x.mean(axis=1), X)
    assert operations[0] == Operation("add.reduce", SIZE, SIZE // 30)


def test_in_place_operations_and_functions_are_recorded():
    """`+=` and an `out` count as any other; np.where is one operation."""

    def work(x):
        y = x + 1
        y += x
        np.exp(y, out=y)
        return np.where(y > 0, y, x)

    operations = record_operations(work, X)
    assert [operation.name for operation in operations] == ["add", "add", "exp", "greater", "where"]
    assert operations[:3] == [
        Operation("add", SIZE, SIZE),
        Operation("add", 2 * SIZE, SIZE),
        Operation("exp", SIZE, SIZE),
    ]


def test_views_move_nothing_and_lists_are_looked_into():
    """A transpose is no operation; joining reads every array of the list."""

    def work(x):
        y = np.transpose(np.reshape(x, (30, 20)))[::2]
        return np.concatenate([x, x, np.broadcast_to(y[0, 0], x.shape)])

    names = [operation.name for operation in record_operations(work, X)]
    assert names == ["concatenate"]
    assert record_operations(lambda x: np.concatenate([x, x]), X) == [
        Operation("concatenate", 2 * SIZE, 2 * SIZE)
    ]


def test_a_product_counts_each_operand_once():
    """What a BLAS reads again it finds in a cache; the scores of attention are n x n."""
    operations = record_operations(direct_attention, X, X, X)
    products = [operation for operation in operations if operation.name == "matmul"]
    assert products == [
        Operation("matmul", 2 * SIZE, 4 * 20 * 20),
        Operation("matmul", 4 * 20 * 20 + SIZE, SIZE),
    ]


def test_recording_changes_no_result_and_does_not_go_on():
    """The result is what the function gives, and later work is not recorded."""
    results = []
    log = record_operations(lambda x: results.append(unfused_layer_norm(x, X[0], X[1])), X)
    recorded = len(log)
    np.testing.assert_array_equal(results[0], unfused_layer_norm(X, X[0], X[1]))
    X + 1
    assert len(log) == recorded > 5


def test_the_least_is_inputs_and_result_once():
    """Three inputs and a result."""
    assert least_bytes([X, X[0], X[1]], X) == 2 * SIZE + 2 * X[0].nbytes


def test_the_peak_is_what_is_held_at_once():
    """Two temporaries one after the other count once, at the same time twice."""
    x = np.ones(100_000, dtype=np.float32)
    assert 1 <= peak_bytes(lambda x: float((x + 1).sum() + (x + 2).sum()), x) / x.nbytes < 1.1
    assert 2 <= peak_bytes(lambda x: np.hypot(x + 1, x - 1, out=x), x.copy()) / x.nbytes < 2.1


def test_only_arrays_are_recorded():
    """A list has no size in bytes."""
    with pytest.raises(TypeError, match="expected arrays, got list"):
        record_operations(np.sum, [1.0])


def test_the_report_counts_bytes_and_compares():
    """Bytes are those of the arrays; the sentence names both sides."""
    report = fusion_report(unfused_gelu, fused_gelu, X, num_rounds=10, seed=0)
    assert report.bytes_before == 18 * SIZE
    assert report.bytes_after == 2 * SIZE
    assert report.traffic_ratio == 9
    assert report.speedup.low <= report.speedup.ratio <= report.speedup.high
    assert report.achieved_gb_per_s == pytest.approx(2 * SIZE / report.fused_ms / 1e6)
    assert report.copy_gb_per_s == pytest.approx(2 * SIZE / report.copy_ms / 1e6)
    assert "8 operations move 0.04 MB where 0.00 MB would do (9.0 times less)" in report.describe()


def test_two_functions_that_differ_are_not_compared():
    """A faster wrong result is no speedup."""
    with pytest.raises(ValueError, match="give the same, got different results"):
        fusion_report(unfused_gelu, np.abs, X, num_rounds=10)
    with pytest.raises(ValueError, match="give the same, got different results"):
        fusion_report(unfused_gelu, lambda x: fused_gelu(x)[:1], X, num_rounds=10)
