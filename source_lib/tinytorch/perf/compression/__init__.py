"""Compression: weights that are zero, neurons that are gone, matrices of low rank, small students.

What a technique saves is measured in bytes held and in time, not in weights set to zero.
"""

from tinytorch.perf.compression.bitmap import BitmapLinear
from tinytorch.perf.compression.distillation import KnowledgeDistillation, soft_loss
from tinytorch.perf.compression.finetuning import KeepZeros, fine_tune
from tinytorch.perf.compression.lowrank import (
    LowRankLinear,
    break_even_rank,
    low_rank_approximate,
    low_rank_model,
)
from tinytorch.perf.compression.magnitude import Scope, magnitude_mask, magnitude_prune
from tinytorch.perf.compression.pipeline import (
    CompressedModel,
    CompressionStep,
    apply_steps,
    compress_model,
)
from tinytorch.perf.compression.sparse import (
    COO,
    CSR,
    break_even_sparsity,
    coo_product,
    csr_bytes,
    csr_product,
    csr_product_by_rows,
    to_coo,
    to_csr,
)
from tinytorch.perf.compression.sparse_linear import Layout, SparseLinear, to_sparse
from tinytorch.perf.compression.sparsity import measure_sparsity
from tinytorch.perf.compression.structured import (
    hidden_pairs,
    kept_units,
    remove_neurons,
    remove_units,
    structured_prune,
    unit_importance,
)

__all__ = [
    "COO",
    "CSR",
    "BitmapLinear",
    "CompressedModel",
    "CompressionStep",
    "KeepZeros",
    "KnowledgeDistillation",
    "Layout",
    "LowRankLinear",
    "Scope",
    "SparseLinear",
    "apply_steps",
    "break_even_rank",
    "break_even_sparsity",
    "compress_model",
    "coo_product",
    "csr_bytes",
    "csr_product",
    "csr_product_by_rows",
    "fine_tune",
    "hidden_pairs",
    "kept_units",
    "low_rank_approximate",
    "low_rank_model",
    "magnitude_mask",
    "magnitude_prune",
    "measure_sparsity",
    "remove_neurons",
    "remove_units",
    "soft_loss",
    "structured_prune",
    "to_coo",
    "to_csr",
    "to_sparse",
    "unit_importance",
]
