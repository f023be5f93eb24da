// Fill a GPU's memory with drawn values, one kernel a kind of recipe: the arithmetic of the recipe's own `block`.
//
// Products and sums are the intrinsics that round by themselves, so that no compiler fuses one into the other. A place
// counts 64 bits; each thread takes every so many-th element. Whoever compiles this for another processor defines what
// is CUDA's own: see tests/backends/cuda_on_host.h.

typedef unsigned int u32;
typedef unsigned long long u64;

#ifndef ROUND_TO_HALF
#define ROUND_TO_HALF(bits, x) asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(x))
#endif

#define EACH(i, count) \
    for (u64 i = (u64)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += (u64)gridDim.x * blockDim.x)

__device__ __forceinline__ float times(float x, float y) { return __fmul_rn(x, y); }
__device__ __forceinline__ double times(double x, double y) { return __dmul_rn(x, y); }
__device__ __forceinline__ float plus(float x, float y) { return __fadd_rn(x, y); }
__device__ __forceinline__ double plus(double x, double y) { return __dadd_rn(x, y); }

__device__ __forceinline__ void store(float* out, float value) { *out = value; }
__device__ __forceinline__ void store(double* out, double value) { *out = value; }
__device__ __forceinline__ void store(unsigned short* out, float value) {
    unsigned short bits;
    ROUND_TO_HALF(bits, value);
    *out = bits;
}

__device__ __forceinline__ u32 draw(u64 place) {
    u64 z = (place ^ (place >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return (u32)(z ^ (z >> 31));
}

__device__ __forceinline__ u32 high(u32 x, u32 y) { return (u32)((u64)x * y >> 32); }

// ---- uniform
template <typename Out, typename Real>
__device__ __forceinline__ void symmetric(Out* out, u64 count, u64 base, u32 unused, u32 half, Real factor, Real bound) {
    EACH(i, count) {
        Real number = (Real)(int)((draw(base + i) >> unused) - half);
        store(out + i, times(times(number, factor), bound));
    }
}

template <typename Out, typename Real>
__device__ __forceinline__ void range(Out* out, u64 count, u64 base, u32 unused, u32 low, Real upper_unit,
                                      Real lower_unit, Real head, Real tail, Real lo, Real last) {
    EACH(i, count) {
        u32 number = draw(base + i) >> unused;
        Real upper = times((Real)(int)(number >> low), upper_unit);
        Real lower = times((Real)(int)(number & ((1u << low) - 1)), lower_unit);
        Real value = plus(times(lower, tail), plus(times(lower, head), times(upper, tail)));
        value = plus(plus(value, times(upper, head)), lo);
        store(out + i, value < last ? value : last);
    }
}

// ---- normal
template <typename Real>
__device__ __forceinline__ Real rest_of(u32 c0_low, u32 product_low);
template <>
__device__ __forceinline__ float rest_of(u32, u32) { return 0.0f; }
template <>
__device__ __forceinline__ double rest_of(u32 c0_low, u32 product_low) {
    return __dmul_rn((double)(int)c0_low - (double)(int)(product_low >> 12), 0x1p-48);
}

template <typename Out, typename Real>
__device__ __forceinline__ void gaussian(Out* out, u64 count, u64 base, const u32* table, u64 first, u64 draws, Real lo,
                                         Real hi, Real mean, Real std, Real head, Real tail) {
    EACH(i, count) {
        u32 r = (u32)((draw(base + i) * draws >> 32) + first);
        u32 is_upper = r >> 31;
        u32 m = (r ^ (is_upper * 0x7FFFFFFFu)) & 0x7FFFFFFFu;
        u32 level = 0;
#pragma unroll
        for (u32 places = 16; places >= 4; places /= 2) {
            u32 has_room = (m >> (31 - places)) == 0;
            m <<= has_room * places;
            level += has_room * (places / 4);
        }
        const u32* row = table + 6 * (level * 256 + (m >> 23));
        u32 x = (m & 0x7FFFFFu) << 4;
        u64 product = (u64)(row[2] - high(row[3] - high(row[4] - high(row[5], x), x), x)) * x;
        u32 whole = row[0] - (u32)(product >> 32);
        Real sign = (Real)((int)(2 * is_upper) - 1);
        Real rest = rest_of<Real>(row[1], (u32)product);
        Real value;
        if (mean == (Real)0) {
            value = times(times(sign, plus(times((Real)(int)whole, (Real)0x1p-28), rest)), std);
        } else {
            Real small = times(sign, times((Real)(int)(whole & 1023), (Real)0x1p-28));
            Real middle = times(sign, times((Real)(int)((whole >> 10) & 1023), (Real)0x1p-18));
            Real large = times(sign, times((Real)(int)(whole >> 20), (Real)0x1p-8));
            rest = times(sign, rest);
            value = plus(times(rest, tail), times(small, tail));
            value = plus(plus(value, times(middle, tail)), times(large, tail));
            value = plus(plus(value, times(rest, head)), times(small, head));
            value = plus(plus(value, times(middle, head)), times(large, head));
            value = plus(value, mean);
        }
        value = value > lo ? value : lo;
        store(out + i, value < hi ? value : hi);
    }
}

#define KERNELS(NAME, Out, Real)                                                                                     \
    extern "C" __global__ void symmetric_##NAME(Out* out, u64 count, u64 base, u32 unused, u32 half, Real factor,    \
                                                Real bound) {                                                        \
        symmetric(out, count, base, unused, half, factor, bound);                                                    \
    }                                                                                                                \
    extern "C" __global__ void range_##NAME(Out* out, u64 count, u64 base, u32 unused, u32 low, Real upper_unit,     \
                                            Real lower_unit, Real head, Real tail, Real lo, Real last) {             \
        range(out, count, base, unused, low, upper_unit, lower_unit, head, tail, lo, last);                          \
    }                                                                                                                \
    extern "C" __global__ void gaussian_##NAME(Out* out, u64 count, u64 base, const u32* table, u64 first,           \
                                               u64 draws, Real lo, Real hi, Real mean, Real std, Real head,          \
                                               Real tail) {                                                          \
        gaussian(out, count, base, table, first, draws, lo, hi, mean, std, head, tail);                              \
    }

KERNELS(float16, unsigned short, float)
KERNELS(float32, float, float)
KERNELS(float64, double, double)
