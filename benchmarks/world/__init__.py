"""A simulated text classification task, on which optimizers are compared without a bill."""
