"""The exceptions of this package. They know nothing of arrays.

::

    TLError
    ├── ShapeError         (ValueError)           a shape, or a number of elements, is wrong
    │   └── IndexShapeError (IndexError)          an index does not fit the shape that it indexes
    ├── DTypeError         (TypeError)            a dtype is wrong, or the library does not have it
    ├── DeviceError        (ValueError)           an array is on the wrong device, or the device does not exist
    ├── NamespaceError     (TypeError)            arrays of two libraries are mixed, or something is not an array at all
    ├── StructureError     (ValueError)           too few, too many, or wrongly nested arguments
    ├── ArgumentError      (ValueError)           a number or a word is outside its range
    ├── NoRuleError        (NotImplementedError)  a function has no derivative rule here
    ├── WatchedError       (TypeError)            something would take a watched array out of its trace in silence
    ├── GradientError      (AssertionError)       a derivative is not what central differences say
    ├── NonFiniteError     (FloatingPointError)   an operation made a NaN or an infinity, and debug_nans is on
    ├── TraceError         (RuntimeError)         a traced array is used where its trace is over, or a tape was consumed
    ├── GraphError         (ValueError)           a program is not well formed
    ├── PlanError          (ValueError)           an initialiser or a plan cannot be right
    ├── CheckpointError    (ValueError)           a checkpoint cannot be read or does not fit
    ├── DataError          (ValueError)           samples cannot be read, or are not what their file announced
    ├── ReceiptError       (ValueError)           a receipt cannot be read, or does not hold
    ├── BackendError       (ValueError)           a library is not known, or cannot do what was asked
    │   ├── MissingLibraryError (ImportError)     a library is not installed: the message names the extra to install
    │   └── UnsteadyError                         a sample's loss depends on the samples computed with it
    └── ClusterError       (RuntimeError)         the cluster could not do the work

Every message says what was given, what was expected and what to do. Each class also derives from the builtin it
refines, so that ``except ValueError`` goes on working.
"""

__all__ = [
    "ArgumentError",
    "BackendError",
    "CheckpointError",
    "ClusterError",
    "DTypeError",
    "DataError",
    "DeviceError",
    "GradientError",
    "GraphError",
    "IndexShapeError",
    "MissingLibraryError",
    "NamespaceError",
    "NoRuleError",
    "NonFiniteError",
    "PlanError",
    "ReceiptError",
    "ShapeError",
    "StructureError",
    "TLError",
    "TraceError",
    "UnsteadyError",
    "WatchedError",
]


class TLError(Exception):
    """The base of every exception that this package raises."""


class ShapeError(TLError, ValueError):
    """A shape, or a number of elements, is not the one expected."""


class IndexShapeError(ShapeError, IndexError):
    """An index does not fit the shape of the array that it indexes."""


class DTypeError(TLError, TypeError):
    """A dtype is not the one expected, or the library does not have it."""


class DeviceError(TLError, ValueError):
    """An array is on another device than expected, or the device does not exist."""


class NamespaceError(TLError, TypeError):
    """Arrays of two libraries are mixed, or a value is not an array of any Array API library."""


class StructureError(TLError, ValueError):
    """There are too few, too many, or wrongly nested arguments."""


class ArgumentError(TLError, ValueError):
    """A number or a word is outside of what is allowed."""


class NoRuleError(TLError, NotImplementedError):
    """A function of the standard has no derivative rule here."""


class WatchedError(TLError, TypeError):
    """A watched array would leave its trace in silence, and its gradient with it."""


class GradientError(TLError, AssertionError):
    """A derivative is not what central differences say."""


class NonFiniteError(TLError, FloatingPointError):
    """An operation made a NaN or an infinity while `debug_nans` was on."""


class TraceError(TLError, RuntimeError):
    """A traced array is used after its trace ended, or a tape after it was consumed."""


class GraphError(TLError, ValueError):
    """A program is not well formed: a pass, or whoever wrote its text, made a mistake."""


class PlanError(TLError, ValueError):
    """An initialiser or a plan cannot be right."""


class CheckpointError(TLError, ValueError):
    """A checkpoint cannot be read, or does not fit the module."""


class DataError(TLError, ValueError):
    """Samples cannot be read, or are not what their file announced."""


class ReceiptError(TLError, ValueError):
    """A receipt cannot be read, cannot be merged with another, or does not hold."""


class BackendError(TLError, ValueError):
    """A library is not known, or cannot do what was asked of it."""


class MissingLibraryError(BackendError, ImportError):
    """A library is not installed."""


class UnsteadyError(BackendError):
    """The loss of a sample depends, in its last bits, on its place among the samples that are computed with it."""


class ClusterError(TLError, RuntimeError):
    """The cluster could not do the work."""
