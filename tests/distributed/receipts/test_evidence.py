"""Evidence: what workers bring merges in any order, and different code is found out."""

import itertools
import pickle

import numpy as np
import pytest

from tests.distributed.problems import module, samples, squared_error, stacked
from tests.distributed.receipts.making import evidence_of
from tl_arrayapi.distributed.receipts import Evidence, evidence
from tl_arrayapi.distributed.samples.chunk import Chunk
from tl_arrayapi.distributed.samples.packed import Packed
from tl_arrayapi.errors import ClusterError


def merged(pieces):
    found = Evidence.none()
    for piece in pieces:
        found = found.merge(piece)
    return found


def test_any_tree_of_merges_in_any_order_is_the_same():
    pieces = evidence_of(module(), samples(100), chunk_size=30)
    whole = merged(pieces)
    for a, b, c, d in itertools.permutations(pieces):
        assert a.merge(b).merge(c.merge(d)) == whole
        assert a.merge(b.merge(c)).merge(d) == whole


def test_evidence_of_nothing_changes_nothing():
    (some,) = evidence_of(module(), samples(10), chunk_size=10)
    assert some.merge(Evidence.none()) == Evidence.none().merge(some) == some
    assert evidence(module(), Chunk("none", 5, (), None, True, ()), np.zeros(0)) == Evidence.none()


def test_samples_in_any_order_within_a_chunk_are_the_same():
    (some,) = evidence_of(module(), stacked(100), chunk_size=100)
    whole = Chunk("all", 0, range(100), None, True, tuple(Packed(x, "float64") for x in stacked(100).arrays))
    mixed = whole.at([i for k in range(7) for i in range(k, 100, 7)])
    losses = np.asarray([float(module().forward(xs)) for _, xs in mixed.samples(module())])
    assert evidence(module(), mixed, losses) == some


def test_without_places_there_are_no_parts():
    columns = tuple(Packed(x, "float64") for x in stacked(6).arrays)
    chunk = Chunk("a partition", None, range(3), None, True, tuple(x[:3] for x in columns))
    other = Chunk("another", 0, range(3), None, True, tuple(x[3:] for x in columns))
    without, with_places = (evidence(module(), c, np.ones(3)) for c in (chunk, other))
    assert without.parts == without.merge(with_places).parts == with_places.merge(without).parts == {}
    assert with_places.parts
    assert without.merge(with_places).whole.sum.count == 6


def test_workers_whose_loss_is_another_program_are_found_out():
    (old,) = evidence_of(module(), samples(5))
    (new,) = evidence_of(module(lambda w, b, x, y: squared_error(w, b, x, y) * 1.0), samples(5))
    with pytest.raises(ClusterError, match="workers run different code"):
        old.merge(new)


def test_evidence_of_a_chunk_is_small_on_its_way():
    for piece in evidence_of(module(), samples(700), chunk_size=350):
        assert len(pickle.dumps(piece)) < 60_000


def test_tracing_is_done_once_for_a_module_and_kinds(monkeypatch):
    from tl_arrayapi.distributed.receipts import program

    calls, traced = [], program._traced
    monkeypatch.setattr(program, "_traced", lambda *args: calls.append(args) or traced(*args))
    evidence_of(module(), samples(100), chunk_size=10)
    assert len(calls) == 1
