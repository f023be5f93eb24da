"""The functions and constants of the 2025.12 Array API standard, extensions included: 174 functions and the
``__array_namespace_info__`` that makes them 175, and what is no function."""

__all__ = ["CONSTANTS", "DTYPES", "EXTENSIONS", "FUNCTIONS"]

_MAIN = """
asarray arange empty empty_like eye from_dlpack full full_like linspace meshgrid ones ones_like tril
triu zeros zeros_like astype broadcast_arrays broadcast_shapes broadcast_to can_cast finfo iinfo
isdtype result_type abs acos acosh add asin asinh atan atan2 atanh bitwise_and bitwise_left_shift
bitwise_invert bitwise_or bitwise_right_shift bitwise_xor ceil clip conj copysign cos cosh divide
equal exp expm1 floor floor_divide greater greater_equal hypot imag isfinite isinf isnan less
less_equal log log1p log2 log10 logaddexp logical_and logical_not logical_or logical_xor maximum
minimum multiply negative nextafter not_equal positive pow real reciprocal remainder round sign
signbit sin sinh square sqrt subtract tan tanh trunc take take_along_axis matmul tensordot
matrix_transpose vecdot concat expand_dims flip moveaxis permute_dims repeat reshape roll squeeze
stack tile unstack argmax argmin nonzero count_nonzero searchsorted where unique_all unique_counts
unique_inverse unique_values isin argsort sort cumulative_sum cumulative_prod max mean min prod std
sum var all any diff
"""
_LINALG = """
cholesky cross det diagonal eig eigh eigvals eigvalsh inv matmul matrix_norm matrix_power
matrix_rank matrix_transpose outer pinv qr slogdet solve svd svdvals tensordot trace vecdot
vector_norm
"""
_FFT = "fft ifft fftn ifftn rfft irfft rfftn "
_FFT += "irfftn hfft ihfft fftfreq rfftfreq fftshift ifftshift"
_DTYPES = "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 "
_DTYPES += "float32 float64 complex64 complex128"

FUNCTIONS = tuple(_MAIN.split())
EXTENSIONS = {"linalg": tuple(_LINALG.split()), "fft": tuple(_FFT.split())}
DTYPES = tuple(_DTYPES.split())
CONSTANTS = ("e", "inf", "nan", "newaxis", "pi")
