"""Mean losses, gradients and training over many samples: in this process, or on a Dask cluster, with the same bits.

>>> import tl_arrayapi as tl
>>> module = tl.ScalarModule.create(lambda w, x: w * x, [2.0])
>>> mean_loss(module, [module.asarrays([x]) for x in (1.0, 3.0)])
4.0
"""

from tl_arrayapi.distributed.mean_loss import Evaluation, evaluate, mean_loss
from tl_arrayapi.distributed.prediction import Prediction, plan
from tl_arrayapi.distributed.receipts import Receipt
from tl_arrayapi.distributed.record import Record
from tl_arrayapi.distributed.samples import files
from tl_arrayapi.distributed.training import loss_and_grads, train_with

__all__ = [
    "Evaluation",
    "Prediction",
    "Receipt",
    "Record",
    "evaluate",
    "files",
    "loss_and_grads",
    "mean_loss",
    "plan",
    "train_with",
]
