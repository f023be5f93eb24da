"""Receipts: what a mean loss is the mean of, so that it can be merged with others, kept, and checked."""

from tl_arrayapi.distributed.receipts.evidence import Evidence, evidence
from tl_arrayapi.distributed.receipts.receipt import Receipt, ReceiptPart

__all__ = ["Evidence", "Receipt", "ReceiptPart", "evidence"]
