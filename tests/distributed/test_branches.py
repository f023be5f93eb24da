"""Sums in one tree: the same whoever brings the leaves, and in what order."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tl_arrayapi.distributed.branches import Branches
from tl_arrayapi.distributed.partition import fold


def join(left, right):
    return f"({left}{right})"


@given(st.integers(1, 40).flatmap(lambda n: st.tuples(st.permutations(range(n)), st.lists(st.integers(0, n)))))
def test_any_partition_in_any_order_gives_the_tree_of_fold(drawn):
    order, cuts = drawn
    bounds = sorted({0, len(order), *cuts})
    parts = [Branches.of(join, ((i, str(i)) for i in order[a:b])) for a, b in pairwise(bounds)]
    total = parts[0]
    for part in parts[1:]:
        total = part.merge(total)
    assert total.total() == fold(join, map(str, sorted(order)))


def test_whole_branches_are_kept_and_nothing_more():
    assert len(Branches.of(join, ((i, str(i)) for i in range(64))).values) == 1
    assert len(Branches.of(join, ((i, str(i)) for i in range(1, 64))).values) == 6
