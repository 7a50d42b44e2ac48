"""The foundation: tensors with reverse-mode gradients, layers, losses, optimisers, training."""
