"""The small network that the capstone measures."""

from tinytorch.core.activations import ReLU
from tinytorch.core.layers import Linear
from tinytorch.core.module import Module
from tinytorch.core.tensor import Tensor


class SimpleMLP(Module):
    """Two linear layers with a ReLU between them.

    The defaults hold 10*20 + 20 + 20*3 + 3 = 283 parameters:

    >>> SimpleMLP(input_size=10, hidden_size=20, output_size=3).count_parameters()
    283
    """

    def __init__(self, input_size: int = 10, hidden_size: int = 20, output_size: int = 3) -> None:
        super().__init__()
        self.fc1 = Linear(input_size, hidden_size)
        self.relu = ReLU()
        self.fc2 = Linear(hidden_size, output_size)

    def forward(self, x: Tensor) -> Tensor:
        """Map a float32 batch (batch, input_size) to class scores (batch, output_size)."""
        scores: Tensor = self.fc2(self.relu(self.fc1(x)))
        return scores
