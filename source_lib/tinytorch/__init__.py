"""tinytorch: a small machine-learning library that is read, completed and measured in class.

Importing the package loads nothing else; each idea is imported from its own file, for example
``from tinytorch.core.tensor import Tensor``.
"""

__version__ = "0.1.0"
