"""The elementwise functions, each with its number of operands: all of them have one rule."""

from collections.abc import Callable

from tl_arrayapi.errors import StructureError
from tl_arrayapi.graph.shape_rules.common import Rule, Shape, broadcast_shapes

__all__ = ["ELEMENTWISE", "OPERANDS"]

_UNARY = """
    abs acos acosh asin asinh atan atanh bitwise_invert ceil conj cos cosh exp expm1 floor imag isfinite isinf isnan log
    log10 log1p log2 logical_not negative positive real reciprocal relu round sign signbit sin sinh sqrt square tan tanh
    trunc
"""
_BINARY = """
    add atan2 bitwise_and bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor copysign divide equal
    floor_divide greater greater_equal hypot less less_equal logaddexp logical_and logical_or logical_xor maximum
    minimum multiply nextafter not_equal pow remainder subtract
"""
_UNARY_SPECIAL = """
    cbrt cosdg cosm1 cotdg digamma entr erf erfc erfcinv erfcx erfinv exp1 exp10 exp2 expi expit exprel gamma gammaln
    gammasgn i0 i0e i1 i1e j0 j1 k0 k0e k1 k1e log_expit log_ndtr loggamma logit ndtr ndtri psi rgamma sinc sindg spence
    tandg y0 y1
"""
_BINARY_SPECIAL = """
    beta betaln binom boxcox boxcox1p expn gammainc gammaincc gammainccinv gammaincinv huber inv_boxcox inv_boxcox1p
    kl_div poch polygamma pseudo_huber rel_entr stdtr stdtrit xlog1py xlogy zeta
"""
_TERNARY_SPECIAL = "betainc betaincc betainccinv betaincinv hyp1f1 radian"

OPERANDS: dict[str, int] = {
    **dict.fromkeys(_UNARY.split(), 1),
    **dict.fromkeys(_BINARY.split(), 2),
    "where": 3,
    **{f"special.{name}": 1 for name in _UNARY_SPECIAL.split()},
    **{f"special.{name}": 2 for name in _BINARY_SPECIAL.split()},
    **{f"special.{name}": 3 for name in _TERNARY_SPECIAL.split()},
}
"""The number of operands of each elementwise function."""


def _elementwise(name: str, count: int) -> Callable[..., Shape]:
    def rule(*shapes: Shape) -> Shape:
        if len(shapes) != count:
            raise StructureError(f"{name} takes {count} operands; got {len(shapes)}")
        return broadcast_shapes(*shapes)

    return rule


ELEMENTWISE: dict[str, Rule] = {name: _elementwise(name, count) for name, count in OPERANDS.items()}
"""The rule of each elementwise function."""
