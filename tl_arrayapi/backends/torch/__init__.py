"""PyTorch, on the host or an accelerator; programs go to its own compiler."""

from tl_arrayapi.backends.torch.backend import TorchBackend

__all__ = ["TorchBackend"]
