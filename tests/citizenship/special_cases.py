"""Every special function, with operands inside its domain, and which of them has no rule."""

from dataclasses import dataclass

import numpy as np

__all__ = ["CASES", "SpecialCase"]


@dataclass(frozen=True)
class SpecialCase:
    """One function: the bounds that each of its operands is drawn from; those of ``refused`` have no rule."""

    name: str
    bounds: tuple[tuple[float, float], ...]
    refused: tuple[int, ...] = ()
    whole: tuple[int, ...] = ()

    def __str__(self) -> str:
        return self.name

    def operands(self, count: int = 12) -> tuple[np.ndarray, ...]:
        """Return float64 operands, of which those of ``whole`` are whole numbers."""
        rng = np.random.default_rng(40)
        drawn = [rng.uniform(*bounds, count) for bounds in self.bounds]
        # An order is one number: PyTorch's polygamma takes no array of them.
        return tuple(np.asarray(np.floor(x[0])) if i in self.whole else x for i, x in enumerate(drawn))


_LINE, _RIGHT, _UNIT, _SHAPE = (-3.0, 3.0), (0.3, 4.0), (0.05, 0.95), (0.6, 4.0)

_UNARY = {
    **dict.fromkeys(
        (
            *("expit", "log_expit", "erf", "erfc", "erfcx", "ndtr", "log_ndtr", "exp2", "exp10", "exprel", "sinc"),
            *("cosm1", "cbrt", "i0", "i0e", "i1", "i1e", "j0", "j1", "rgamma", "expi", "tandg", "sindg", "cosdg"),
        ),
        _LINE,
    ),
    **dict.fromkeys(
        (
            *("gammaln", "loggamma", "gamma", "digamma", "psi", "entr", "exp1", "k0", "k0e", "k1", "k1e", "y0", "y1"),
            *("spence", "cotdg"),
        ),
        _RIGHT,
    ),
    **dict.fromkeys(("logit", "erfcinv", "ndtri"), _UNIT),
    "erfinv": (-0.9, 0.9),
}

CASES = [
    *(SpecialCase(name, (bounds,)) for name, bounds in _UNARY.items()),
    *(SpecialCase(name, (_RIGHT, _RIGHT)) for name in ("rel_entr", "kl_div", "xlogy", "beta", "betaln", "poch")),
    *(SpecialCase(name, (_LINE, _RIGHT)) for name in ("xlog1py",)),
    *(SpecialCase(name, (_RIGHT, (-2.0, 2.0))) for name in ("boxcox", "boxcox1p")),
    *(SpecialCase(name, ((0.1, 1.0), (-0.8, 0.8))) for name in ("inv_boxcox", "inv_boxcox1p")),
    *(SpecialCase(name, (_RIGHT, _LINE)) for name in ("huber", "pseudo_huber")),
    SpecialCase("binom", ((4.0, 6.0), (0.5, 3.0))),
    SpecialCase("radian", (_LINE, _LINE, _LINE)),
    SpecialCase("polygamma", ((2.0, 3.0), _RIGHT), refused=(0,), whole=(0,)),
    SpecialCase("expn", ((2.0, 3.0), _RIGHT), refused=(0,), whole=(0,)),
    SpecialCase("zeta", ((1.5, 4.0), _RIGHT), refused=(0,)),
    *(SpecialCase(name, (_SHAPE, _RIGHT), refused=(0,)) for name in ("gammainc", "gammaincc")),
    *(SpecialCase(name, (_SHAPE, _UNIT), refused=(0,)) for name in ("gammaincinv", "gammainccinv", "stdtrit")),
    *(SpecialCase(name, (_SHAPE, _SHAPE, _UNIT), refused=(0, 1)) for name in ("betainc", "betaincc")),
    *(SpecialCase(name, (_SHAPE, _SHAPE, _UNIT), refused=(0, 1)) for name in ("betaincinv", "betainccinv")),
    SpecialCase("stdtr", (_SHAPE, _LINE), refused=(0,)),
    SpecialCase("hyp1f1", (_SHAPE, _SHAPE, _LINE), refused=(0, 1)),
]
