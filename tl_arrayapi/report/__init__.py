"""What a run shows to people: its progress while it lasts, and a picture of its losses. Nothing here knows a module."""

from tl_arrayapi.report.curve import loss_curve
from tl_arrayapi.report.progress import Display, display

__all__ = ["Display", "display", "loss_curve"]
