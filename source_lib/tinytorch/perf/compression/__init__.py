"""Compression: weights that are zero, neurons that are gone, matrices of low rank, small students.

What a technique saves is measured in bytes held and in time, not in weights set to zero.
"""

from tinytorch.perf.compression.bitmap import BitmapLinear
from tinytorch.perf.compression.distillation import KnowledgeDistillation, soft_loss
from tinytorch.perf.compression.finetuning import KeepZeros, fine_tune
from tinytorch.perf.compression.lowrank import (
    LowRankLinear,
    low_rank_approximate,
    low_rank_model,
)
from tinytorch.perf.compression.magnitude import Scope, magnitude_mask, magnitude_prune
from tinytorch.perf.compression.pipeline import (
    CompressedModel,
    CompressionStep,
    compress_model,
)
from tinytorch.perf.compression.sparse import (
    COO,
    CSR,
    coo_product,
    csr_bytes,
    csr_product,
    to_coo,
    to_csr,
)
from tinytorch.perf.compression.sparse_linear import Layout, SparseLinear, to_sparse
from tinytorch.perf.compression.sparsity import measure_sparsity
from tinytorch.perf.compression.structured import (
    hidden_pairs,
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
    "compress_model",
    "coo_product",
    "csr_bytes",
    "csr_product",
    "fine_tune",
    "hidden_pairs",
    "low_rank_approximate",
    "low_rank_model",
    "magnitude_mask",
    "magnitude_prune",
    "measure_sparsity",
    "remove_units",
    "soft_loss",
    "structured_prune",
    "to_coo",
    "to_csr",
    "to_sparse",
    "unit_importance",
]
