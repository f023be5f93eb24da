import pickle
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tl_arrayapi.distributed.samples.bounds import bounds

_TOTALS = st.integers(1, 60)


@given(_TOTALS, st.integers(1, 20), st.integers(1, 7))
def test_pieces_cover_all_samples_and_are_of_one_size_but_the_last(total, size, align):
    found = list(bounds(total, size, align=align))
    assert (found[0], found[-1]) == (0, total)
    sizes = [high - low for low, high in pairwise(found)]
    assert all(n == -(-size // align) * align for n in sizes[:-1])
    assert 0 < sizes[-1] <= -(-size // align) * align


@given(_TOTALS, st.integers(1, 20), st.integers(1, 7), st.sets(st.integers(1, 59)))
def test_pieces_end_at_borders_or_the_next_multiple(total, size, align, borders):
    borders = [0, *sorted(b for b in borders if b < total), total]
    found = list(bounds(total, size, borders, align))
    assert (found[0], found[-1]) == (0, total)
    allowed = {min(-(-b // align) * align, total) for b in borders}
    assert set(found) <= allowed
    assert all(high - low >= size for low, high in list(pairwise(found))[:-1])
    # No border that would do is passed over.
    assert all(not any(low + size <= b < high for b in allowed) or high == total for low, high in pairwise(found))


def test_bounds_of_a_billion_samples_take_no_room():
    found = bounds(10**9, 4096)
    assert len(found) == 10**9 // 4096 + 2
    assert len(pickle.dumps(found)) < 200
    assert found[len(found) - 1] == 10**9
