"""Values of Dask graphs, computed where they are used.

What one piece alone needs is computed within its task: nothing then waits in a worker's memory, and nothing moves. What
several pieces need is left to the cluster, and handed to each of them, as are values that the cluster holds already.
Nodes of graphs are those of Dask's task specification, which the oldest Dask that will do has in a private module.
"""

import importlib
import pickle
from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

__all__ = ["Work", "computed", "delayed", "is_collection", "shared_out"]

_SMALL = 2**16  # bytes of data that may be copied or kept

_Key = Any
_Graph = Mapping[_Key, Any]


def is_collection(x: Any) -> bool:
    """Say whether ``x`` is a collection of Dask's, without importing Dask.

    >>> is_collection([1, 2])
    False
    """
    return hasattr(type(x), "__dask_graph__")


class Work:
    """The values of ``keys`` of a graph, given those of the keys ``given``, which ``inputs`` stand for.

    It travels as bytes, without the inputs: whoever sends it sends their values along.
    """

    def __init__(self, graph: _Graph, keys: tuple[_Key, ...], given: tuple[_Key, ...], inputs: tuple[Any, ...]) -> None:
        self._graph = graph
        self._keys = keys
        self._given = given
        self.inputs = inputs

    def __reduce__(self) -> tuple[Any, ...]:
        return _received, (self._blob,)

    @cached_property
    def _blob(self) -> bytes:
        # Dask needs it, and ships with it.
        blob: bytes = importlib.import_module("cloudpickle").dumps((self._graph, self._keys, self._given))
        return blob

    @property
    def nbytes(self) -> int:
        """The bytes that travel."""
        return len(self._blob)

    @property
    def arity(self) -> int:
        """How many inputs there are."""
        return len(self._given)

    def values(self, *inputs: Any) -> tuple[Any, ...]:
        """Compute the values in this thread."""
        found = dict(zip(self._given, inputs, strict=True))
        uses = Counter(need for node in self._graph.values() for need in node.dependencies)
        uses.update(self._keys)
        for key, node in self._graph.items():
            found[key] = node(found)
            for need in node.dependencies:
                uses[need] -= 1
                if not uses[need]:
                    del found[need]
        return tuple(found[key] for key in self._keys)


def _received(blob: bytes) -> Work:
    graph, keys, given = pickle.loads(blob)
    return Work(graph, keys, given, ())


def computed(inputs: Sequence[Any]) -> tuple[Any, ...]:
    """Return the values of the inputs of a piece, computed in this thread, or fetched where a cluster holds them.

    >>> computed(())
    ()
    """
    return tuple(_value(x) if is_collection(x) else x.result() for x in inputs)


def _value(x: Any) -> Any:
    import dask
    from dask._task_spec import DataNode
    from dask.sizeof import sizeof

    (value,) = dask.compute(x, scheduler="synchronous")
    graph = x.__dask_graph__()
    if isinstance(graph, dict) and sizeof(value) <= _SMALL:
        # The next pieces need it, too: a mean over all samples, say. It takes the place of what it is computed from.
        graph.clear()
        graph[x.key] = DataNode(x.key, value)
    return value


def shared_out(collections: Sequence[Any], pieces: Sequence[tuple[_Key, ...]]) -> Iterator[Work]:
    """Yield the work of each piece, a tuple of keys of ``collections``."""
    graph, futures = _nodes(collections)
    shared = _shared(graph, pieces)
    made: dict[_Key, Any] = {}
    for keys in pieces:
        own, outside = _reached(graph, keys, shared)
        if outside.keys() <= shared | futures.keys():
            given = tuple(outside)
            made |= {k: _delayed(k, graph, futures) for k in given if k in shared and k not in made}
            yield Work(own, keys, given, tuple(made[k] if k in shared else futures[k] for k in given))
        else:
            # A future is hidden in the arguments of a task: only the cluster can tell what it stands for.
            yield Work({}, keys, keys, tuple(_delayed(key, graph, futures) for key in keys))


def delayed(collections: Sequence[Any], pieces: Sequence[tuple[_Key, ...]]) -> Iterator[tuple[Any, ...]]:
    """Yield the keys of each piece as Delayed objects, each with what it needs of the graph and nothing else."""
    graph, futures = _nodes(collections)
    for keys in pieces:
        yield tuple(_delayed(key, graph, futures) for key in keys)


def _nodes(collections: Sequence[Any]) -> tuple[dict[_Key, Any], dict[_Key, Any]]:
    """Return the graph of all collections, and the futures that stand in it.

    It is not optimised: what Dask would fuse runs in one task here anyway, and optimised by itself each collection
    would read anew what it shares with another.
    """
    from dask._task_spec import convert_legacy_graph

    raw = {key: node for collection in collections for key, node in dict(collection.__dask_graph__()).items()}
    futures = {key: node for key, node in raw.items() if type(node).__module__ == "distributed.client"}
    tasks = {key: node for key, node in raw.items() if key not in futures}
    return convert_legacy_graph(tasks, raw.keys()), futures


def _reached(graph: _Graph, keys: Sequence[_Key], stop: Container[_Key]) -> tuple[dict[_Key, Any], dict[_Key, None]]:
    """Return the part of the graph that ``keys`` need, each node after those that it needs, and the keys that they need
    beyond it: of ``stop``, or of elsewhere.
    """
    own: dict[_Key, Any] = {}
    outside: dict[_Key, None] = {}
    stack = [(key, False) for key in reversed(keys)]
    while stack:
        key, is_ready = stack.pop()
        if key in own or key in outside:
            continue
        if key in stop or key not in graph:
            outside[key] = None
        elif is_ready:
            own[key] = graph[key]
        else:
            stack.append((key, True))
            stack += [(need, False) for need in graph[key].dependencies]
    return own, outside


def _shared(graph: _Graph, pieces: Sequence[Sequence[_Key]]) -> set[_Key]:
    """Return the keys at which the needs of several pieces meet; small data does not count."""
    owner: dict[_Key, int] = {}
    shared: set[_Key] = set()
    for number, keys in enumerate(pieces):
        stack = list(keys)
        while stack:
            key = stack.pop()
            if key not in graph or key in shared or owner.get(key) == number:
                continue
            if key not in owner:
                owner[key] = number
                stack += graph[key].dependencies
            elif not _is_small(graph[key]):
                shared.add(key)
    return shared


def _is_small(node: Any) -> bool:
    from dask._task_spec import DataNode
    from dask.sizeof import sizeof

    return isinstance(node, DataNode) and sizeof(node.value) <= _SMALL


def _delayed(key: _Key, graph: _Graph, futures: _Graph) -> Any:
    """Return a key as a Delayed that holds what it needs, and nothing else."""
    from dask.delayed import Delayed

    own, outside = _reached(graph, (key,), ())
    return Delayed(key, {**own, **{k: futures[k] for k in outside if k in futures}})
