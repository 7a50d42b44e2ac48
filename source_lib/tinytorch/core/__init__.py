"""The foundation: tensors with gradients, layers, losses, optimisers, data, training."""
