"""The programs that tracing leaves behind, of every function and its derivative: verified before and after the passes,
read back from JSON, and shown.
"""

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import tl_arrayapi as tl
from tests.proof.calls import Holds, calls
from tests.proof.catalogue import CATALOGUE
from tl_arrayapi.graph.cost import peak_bytes, total
from tl_arrayapi.graph.dtypes import nbytes
from tl_arrayapi.graph.graph_json import from_json, to_json
from tl_arrayapi.graph.shapes import VALUE_DEPENDENT
from tl_arrayapi.graph.text import to_dot, to_text
from tl_arrayapi.graph.verify import verify


def programs(function, call):
    """Yield the report of the call's program, and of its derivative's."""

    def value(*operands):
        return call.run(tl.array_namespace(*operands), *operands)

    def derivative(*operands):
        out, pullback = tl.vjp(value, *operands)
        return out, pullback(out)

    yield tl.compile(value).trace(*call.operands)
    if function.holds is Holds.DIFFERENTIABLE and call.watched:
        yield tl.compile(derivative).trace(*call.operands)


# Shapes that depend on values, and what takes arrays out of a trace.
NOT_TRACED = {*VALUE_DEPENDENT, "from_dlpack", "repeat"}


@pytest.mark.parametrize("name", [name for name in CATALOGUE if name not in NOT_TRACED])
def test_programs_are_well_formed_and_read_back_equal(name):
    function = CATALOGUE[name]

    @settings(
        max_examples=2,
        derandomize=True,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def on_each(data):
        call = data.draw(calls(function, function.dtypes[0], "numpy"))
        if not call.operands:
            return
        for report in programs(function, call):
            for graph in (report.traced, report.graph):
                verify(graph)
                assert from_json(to_json(graph)) == graph
                assert len(to_text(graph).splitlines()) == len(graph.equations) + 2 + bool(graph.captured)
                assert to_dot(graph).count("tooltip=") == len(graph.equations)
                assert total(graph).flops >= 0
                assert peak_bytes(graph) >= sum(nbytes(x) for x in {*graph.given, *graph.outputs})

    on_each()
