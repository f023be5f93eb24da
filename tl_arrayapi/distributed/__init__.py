"""Mean losses, gradients and training over many samples: in this process, or on a Dask cluster, with the same bits.

>>> import tl_arrayapi as tl
>>> module = tl.ScalarModule.create(lambda w, x: w * x, [2.0])
>>> mean_loss(module, [module.asarrays([x]) for x in (1.0, 3.0)])
4.0
"""

from tl_arrayapi.distributed.mean_loss import mean_loss
from tl_arrayapi.distributed.training import loss_and_grads, train_with

__all__ = ["loss_and_grads", "mean_loss", "train_with"]
