"""Calls of SciPy and of scikit-learn, as text: those with right gradients on traced arrays, and those that refuse them.

A call is evaluated by `tests.citizenship.walk`. Lower-case names are operands, all of them watched; those in capitals
are constants; ``xp`` is the namespace of the arrays. Nothing here imports either.
"""

import numpy as np

__all__ = [
    "CONSTANTS",
    "LEARNED",
    "LEARNED_REFUSED",
    "OPERANDS",
    "REFUSED",
    "RIGHT",
    "function_name",
    "imprecise",
]

_rng = np.random.default_rng(5)


def _between(lo: float, hi: float, *shape: int) -> np.ndarray:
    return _rng.uniform(lo, hi, shape)


OPERANDS = {
    "x": _between(0.3, 2.0, 4, 6),
    "y": _between(0.3, 2.0, 4, 6),
    "v": _between(0.3, 2.0, 8),
    "w": _between(0.3, 2.0, 8),
    "n": _between(0.3, 2.0, 9),
    "u": _between(-1.0, 1.0, 8),
    "p": _between(0.05, 0.95, 6),
    "k": _between(0.3, 2.0, 3),
    "h": _between(0.3, 2.0, 2, 25),
    "t": np.sort(_between(0.0, 3.0, 8)),
    "signal_": _between(-1.0, 1.0, 40),
    "image": _rng.normal(size=(7, 8)),
    "patch": _rng.normal(size=(3, 3)),
    "points": _rng.normal(size=(5, 3)),
    "others": _rng.normal(size=(5, 3)),
    "quats": _rng.normal(size=(3, 4)),
    "rotvecs": _rng.normal(size=(3, 3)),
    "places": _rng.normal(size=(3, 3)),
    "screws": _rng.normal(size=(2, 6)),
    "spd": 3.0 * np.eye(4) + 0.3 * (lambda m: m + m.T)(_rng.normal(size=(4, 4))),
    "b": np.asarray([0.2, 0.3, 0.1]),
    "zeros": np.asarray([0.3, 0.4]),
    "cut": np.asarray(0.3),
    "scalar": np.asarray(1.5),
    "sections": np.asarray([[1.0, 0.7, -0.3, 1.0, 0.4, -0.2]]),
}

CONSTANTS = {
    "A": np.asarray([1.0, -0.3, 0.2]),
    "B": np.asarray([0.2, 0.3, 0.1]),
    "K": np.asarray([0.5, 1.5, 2.5, 0.7, 1.2, 3.1]),
    "L": np.asarray([1.5, 0.9, 2.2, 3.0, 0.8, 1.1]),
    "W": np.asarray([0.4, 0.9, 1.7]),
    "PLACES": _rng.normal(size=(3, 3)),
    "POLES": np.asarray([0.1, 0.2, 0.3]),
    "KNOTS": np.asarray([0.0, 1.0, 2.0, 3.5, 4.0, 5.0, 6.0, 7.0]),
    "SIGNAL": _between(-1.0, 1.0, 40),
    "SOS": np.asarray([[0.2, 0.3, 0.1, 1.0, -0.3, 0.2]]),
    "AXES": np.asarray([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]),
}

_SPECIAL = """
    cbrt(v) chdtr(K, v[:6]) chdtrc(K, v[:6]) chdtri(K, p) cosdg(v) cosm1(v) cotdg(v) digamma(v) entr(v) erf(u) erfc(u)
    erfcx(u) erfinv(u) exp1(v) exp10(u) exp2(u) expi(v) expit(u) expn(2, v) exprel(u) fdtr(K, L, p) fdtrc(K, L, p)
    fdtri(K, L, p) gamma(v) gammainc(K, p) gammaincc(K, p) gammainccinv(K, p) gammaincinv(K, p) gammaln(v) gammasgn(v)
    gdtr(K, L, p) gdtrc(K, L, p) huber(v, u) hyp1f1(K, L, p) i0(v) i0e(v) i1(v) i1e(v) j0(v) j1(v) k0(v) k0e(v) k1(v)
    k1e(v) kl_div(v, w) log_ndtr(u) log_softmax(x, axis=1) loggamma(v) logit(p) logsumexp(x, axis=1, b=y)
    multigammaln(v + 2, 2) ndtr(u) ndtri(p) pdtr(K, p) pdtrc(K, p) polygamma(2, v) poch(v, w) pseudo_huber(v, u) psi(v)
    radian(v, w, t) rel_entr(v, w) rgamma(u) sinc(u) sindg(v) softmax(x, axis=0) spence(v) stdtr(K, p) stdtrit(K, p)
    tandg(v) xlog1py(v, w) xlogy(v, w) y0(v) y1(v) zeta(K + 1, p) betainc(K, L, p) betaincc(K, L, p) betaincinv(K, L, p)
    betaln(v, w) binom(v + 4, w) boxcox(v, u) boxcox1p(v, u) inv_boxcox(v, u / 3) inv_boxcox1p(v, u / 3)
"""


def _calls(module: str, text: str) -> list[str]:
    """Return the calls in ``text``, which are divided by spaces outside of parentheses."""
    calls, depth, start = [], 0, 0
    for i, c in enumerate(text := text + " "):
        depth += (c in "([{") - (c in ")]}")
        if c.isspace() and depth == 0:
            calls += [text[start:i]] if text[start:i].strip() else []
            start = i + 1
    return [f"{module}.{call.strip()}" for call in calls]


_OVER_AXES = (
    "gmean hmean skew kurtosis sem tmean tvar tstd tsem tmin tmax variation gstd zscore gzscore differential_entropy "
    "entropy circmean circvar circstd iqr median_abs_deviation kstat kstatvar lmoment rankdata"
)

RIGHT: dict[str, list[str]] = {
    "scipy.special": _calls("special", _SPECIAL),
    "scipy.stats": [
        *(f"stats.{name}(x, axis={axis})" for name in _OVER_AXES.split() for axis in (None, 1)),
        "stats.moment(x, order=3, axis=1)",
        "stats.pmean(x, 3, axis=1)",
        "stats.gmean(x, axis=1, weights=y)",
        "stats.entropy(x, y, axis=1)",
        "stats.zmap(x, y, axis=1)",
        "stats.mode(x, axis=1).mode",
        "stats.describe(x, axis=1).variance",
        "stats.sigmaclip(x)[0]",
        "stats.trim_mean(x, 0.1, axis=1)",
        "stats.quantile(x, 0.3, axis=1)",
        "stats.quantile(KNOTS, p)",
        "stats.boxcox_llf(0.3, x, axis=1)",
        "stats.yeojohnson_llf(0.3, x, axis=1)",
        "stats.directional_stats(points).mean_direction",
        "stats.false_discovery_control(p)",
        "stats.combine_pvalues(p).statistic",
        "stats.combine_pvalues(p, method='stouffer').pvalue",
        "stats.pearsonr(x, y, axis=1).statistic",
        "stats.pearsonr(x, y, axis=1).pvalue",
        "stats.spearmanrho(v, w).statistic",
        "stats.chatterjeexi(v, w).statistic",
        "stats.ttest_1samp(x, 0.5, axis=1).statistic",
        "stats.ttest_1samp(x, 0.5, axis=1).pvalue",
        "stats.ttest_1samp(x, 0.5, axis=1).confidence_interval(0.9).low",
        "stats.ttest_ind(x, y, axis=1).statistic",
        "stats.ttest_ind(x, y, axis=1).pvalue",
        "stats.ttest_ind(x, y, axis=1, equal_var=False).statistic",
        "stats.ttest_rel(x, y, axis=1).statistic",
        "stats.ttest_ind_from_stats(v, w, 8, w, v, 9).statistic",
        "stats.f_oneway(x, y, axis=1).statistic",
        "stats.f_oneway(x, y, axis=1).pvalue",
        "stats.alexandergovern(v, w).statistic",
        "stats.bartlett(x, y, axis=1).statistic",
        "stats.bartlett(x, y, axis=1).pvalue",
        "stats.levene(x, y, axis=1).statistic",
        "stats.fligner(x, y, axis=1).statistic",
        "stats.kruskal(x, y, axis=1).statistic",
        "stats.friedmanchisquare(x, y, x * y, axis=1).statistic",
        "stats.mood(x, y, axis=1).statistic",
        "stats.ansari(x, y, axis=1).statistic",
        "stats.mannwhitneyu(x, y, axis=1).statistic",
        "stats.wilcoxon(x - 1, axis=1).statistic",
        "stats.brunnermunzel(x, y, axis=1).statistic",
        "stats.cramervonmises_2samp(x, y, axis=1).statistic",
        "stats.epps_singleton_2samp(v, w).statistic",
        "stats.power_divergence(x, lambda_=0.5, axis=1).statistic",
        "stats.chisquare(x, axis=1).pvalue",
        "stats.skewtest(h, axis=1).statistic",
        "stats.kurtosistest(h, axis=1).pvalue",
        "stats.normaltest(h, axis=1).pvalue",
        "stats.jarque_bera(h, axis=1).statistic",
        "stats.bootstrap((v,), mean, n_resamples=9, rng=1, method='basic').confidence_interval.low",
        "stats.permutation_test((v, w), difference, n_resamples=9, rng=1).statistic",
    ],
    "scipy.integrate": [
        "integrate.trapezoid(v)",
        "integrate.trapezoid(v, x=t)",
        "integrate.trapezoid(x, dx=0.5, axis=0)",
        "integrate.cumulative_trapezoid(v, x=t)",
        "integrate.cumulative_trapezoid(x, dx=0.5, axis=0)",
        "integrate.cumulative_simpson(v)",
        "integrate.cumulative_simpson(v, x=t)",
        "integrate.romb(n)",
        "integrate.tanhsinh(lambda s, a: xp.exp(-s * a), xp.asarray(0.0), xp.asarray(1.0), args=(k,)).integral",
        "integrate.tanhsinh(lambda s: xp.exp(-s * s), xp.asarray(0.0), k).integral",
        "integrate.cubature(lambda s: xp.exp(-s[:, 0] * k[0]), xp.zeros(2), xp.ones(2)).estimate",
        "integrate.cubature(lambda s: xp.exp(-s[:, 0] * s[:, 1]), xp.zeros(2), k[:2]).estimate",
        "integrate.qmc_quad(product, xp.zeros(2), k[:2], n_points=16, qrng=stats.qmc.Halton(2, rng=1)).integral",
    ],
    "scipy.differentiate": [
        "differentiate.derivative(sine, k).df",
        "differentiate.derivative(lambda s, a: xp.sin(s * a), xp.asarray(1.0), args=(k,)).df",
        "differentiate.jacobian(sine, k).df",
    ],
    "scipy.optimize": [
        "optimize.rosen(u)",
        "optimize.rosen_der(u)",
        "optimize.rosen_hess(u)",
        "optimize.rosen_hess_prod(u, v)",
    ],
    "scipy.optimize.elementwise": [
        "elementwise.find_root(lambda s, a: s * s - a, (xp.zeros(3), xp.full(3, 9.0)), args=(k,)).x",
        "elementwise.find_minimum(lambda s, a: (s - a) ** 2 + a, bracket, args=(k,)).f_x",
        "elementwise.bracket_root(lambda s, a: s * s - a, k, args=(k,)).bracket[0]",
        "elementwise.bracket_minimum(lambda s, a: (s - a) ** 2, k * 0.5, args=(k,)).bracket[0]",
    ],
    "scipy.fft": [
        *(
            f"fft.{name}(x)"
            for name in (
                *("fft", "ifft", "rfft", "irfft", "hfft", "ihfft", "fft2", "ifft2", "rfft2", "irfft2", "hfft2"),
                *("ihfft2", "fftn", "ifftn", "rfftn", "irfftn", "hfftn", "ihfftn", "fftshift", "ifftshift"),
            )
        ),
        "fft.fft(x, n=9, axis=0, norm='ortho')",
        "fft.fht(v, dln=0.1, mu=0.5)",
        "fft.ifht(v, dln=0.1, mu=0.5)",
    ],
    "scipy.signal": [
        "signal.convolve(v, w[:3], method='fft')",
        "signal.correlate(v, w[:3], method='fft')",
        "signal.fftconvolve(v, w[:3])",
        "signal.fftconvolve(image, patch, mode='same')",
        "signal.hilbert(v)",
        "signal.hilbert2(image)",
        "signal.envelope(signal_, (2, None))",
        "signal.resample(v, 12)",
        "signal.resample(v, 12, window='hann')",
        "signal.vectorstrength(v, 0.7)[0]",
        "signal.freqz(b, worN=8)[1]",
        "signal.freqz(B, A, worN=v)[1]",
        "signal.freqs(b, A, worN=W)[1]",
        "signal.freqz_zpk(zeros, POLES, 1.0, worN=8)[1]",
        "signal.freqs_zpk(zeros, POLES, 1.0, worN=W)[1]",
        "xp.sum(signal.tf2zpk(b, A)[0] ** 2)",
        "xp.sum(signal.sos2zpk(sections)[0] ** 2)",
        "signal.normalize(b, A)[0]",
        "signal.lp2lp(b, A, 2.0)[0]",
        "signal.lp2hp(b, A, 2.0)[0]",
        "signal.lp2bp(b, A, 2.0, 0.5)[0]",
        "signal.lp2bs(b, A, 2.0, 0.5)[0]",
        "signal.lp2lp_zpk(zeros, POLES, 2.0)[0]",
        "signal.lp2hp_zpk(zeros, POLES, 2.0)[0]",
        "signal.lp2bp_zpk(zeros, POLES, 2.0, 0.5)[0]",
        "signal.lp2bs_zpk(zeros, POLES, 2.0, 0.5)[0]",
        "signal.bilinear_zpk(zeros, POLES, 2.0, 3.0)[0]",
        "signal.firwin(7, cut)",
        "signal.lfilter_zi(b, A)",
        "signal.gauss_spline(u, 3)",
    ],
    "scipy.cluster.vq": ["vq.whiten(points)"],
    "scipy.linalg": [
        "linalg.block_diag(x, y)",
        "linalg.fiedler(v)",
        "linalg.orthogonal_procrustes(points, others)[0]",
        "linalg.orthogonal_procrustes(points, others)[1]",
    ],
    "scipy.spatial.transform": [
        "Rotation.from_quat(quats).as_matrix()",
        "Rotation.from_quat(quats).as_quat()",
        "Rotation.from_quat(quats).as_rotvec()",
        "Rotation.from_quat(quats).as_euler('xyz')",
        "Rotation.from_quat(quats).as_mrp()",
        "Rotation.from_quat(quats).as_davenport(AXES, 'intrinsic')",
        "Rotation.from_rotvec(rotvecs).as_matrix()",
        "Rotation.from_euler('xyz', rotvecs).as_matrix()",
        "Rotation.from_mrp(rotvecs).as_matrix()",
        "Rotation.from_matrix(Rotation.from_rotvec(rotvecs).as_matrix()).as_quat()",
        "Rotation.from_rotvec(rotvecs).apply(places)",
        "(Rotation.from_rotvec(rotvecs) * Rotation.from_rotvec(places)).as_matrix()",
        "Rotation.from_rotvec(rotvecs).inv().as_matrix()",
        "(Rotation.from_rotvec(rotvecs) ** 0.3).as_matrix()",
        "Rotation.from_rotvec(rotvecs).magnitude()",
        "Rotation.from_rotvec(rotvecs).mean().as_matrix()",
        "Rotation.from_rotvec(rotvecs)[1].as_matrix()",
        "Rotation.align_vectors(places, PLACES)[0].as_matrix()",
        "Slerp(W, Rotation.from_rotvec(rotvecs))(xp.asarray([0.5, 1.2])).as_matrix()",
        "RigidTransform.from_components(places, Rotation.from_rotvec(rotvecs)).apply(places)",
        "RigidTransform.from_components(places, Rotation.from_rotvec(rotvecs)).inv().as_matrix()",
        "RigidTransform.from_exp_coords(screws).as_matrix()",
        "RigidTransform.from_components(places, Rotation.from_rotvec(rotvecs)).as_exp_coords()",
        "RigidTransform.from_components(places, Rotation.from_rotvec(rotvecs)).as_dual_quat()",
    ],
    "scipy.constants": [
        "constants.convert_temperature(v, 'C', 'F')",
        "constants.lambda2nu(v)",
        "constants.nu2lambda(v)",
    ],
}

REFUSED: dict[str, list[str]] = {
    "scipy.special": _calls(
        "special",
        """
        airy(v) agm(v, w) bdtr(1.0, 3.0, p) bdtri(1.0, 3.0, p) beta(v, w) dawsn(v) ellipk(p) ellipkm1(p) erfi(v)
        gammainc(v, w) iv(1.0, v) jv(1.0, v) kv(1.0, v) lambertw(v) log1p(v) lpmv(1.0, 2.0, p) nbdtr(1.0, 2.0, p)
        owens_t(v, w) polygamma(v, w) stdtr(v, w) yn(1, v) zetac(v)
        """,
    ),
    "scipy.stats": [
        "stats.boxcox(v, 0.3)",
        "stats.cramervonmises(v, special.ndtr).statistic",
        "stats.energy_distance(v, w)",
        "stats.expectile(v)",
        "stats.gaussian_kde(v)(v)",
        "stats.kendalltau(v, w).statistic",
        "stats.ks_2samp(v, w).statistic",
        "stats.linregress(v, w).slope",
        "stats.multivariate_normal.logpdf(v)",
        "stats.norm.logpdf(v)",
        "stats.Normal(mu=0.0, sigma=1.0).logpdf(v)",
        "stats.scoreatpercentile(v, 50)",
        "stats.shapiro(v).statistic",
        "stats.spearmanr(v, w).statistic",
        "stats.theilslopes(v, w).slope",
        "stats.trimboth(v, 0.1)",
        "stats.wasserstein_distance(v, w)",
    ],
    "scipy.integrate": [
        "integrate.fixed_quad(lambda s: s * k[0], 0.0, 1.0)[0]",
        "integrate.nsum(lambda s, a: 1 / s**2 * a, xp.asarray(1.0), xp.asarray(20.0), args=(k,)).sum",
        "integrate.odeint(lambda s, _: -s, k, [0.0, 1.0])",
        "integrate.quad(lambda s: s * scalar, 0, 1)[0]",
        "integrate.quad_vec(lambda s: s * k, 0, 1)[0]",
        "integrate.simpson(v)",
        "integrate.solve_ivp(lambda s, z: -z, (0.0, 1.0), k, t_eval=[1.0]).y",
    ],
    "scipy.differentiate": ["differentiate.hessian(lambda s: xp.sum(xp.sin(s) * s[0], axis=0), k).ddf"],
    "scipy.optimize": [
        "optimize.approx_fprime(k, lambda s: s[0] * s[1])",
        "optimize.brentq(lambda s: s - scalar, 0, 9)",
        "optimize.linprog(k, bounds=[(0, 1)] * 3).fun",
        "optimize.minimize(lambda s: ((s - 1) ** 2).sum(), k).x",
        "optimize.newton(lambda s: s * s - k, k)",
        "optimize.nnls(points, v[:5])[0]",
    ],
    "scipy.fft": [f"fft.{name}(x)" for name in ("dct", "idct", "dst", "idst", "dctn", "idctn", "dstn", "idstn")],
    "scipy.signal": [
        "signal.bilinear(b, A, 2.0)[0]",
        "signal.chirp(v, 1.0, 1.0, 2.0)",
        "signal.convolve(v, w[:3], method='direct')",
        "signal.convolve2d(image, patch)",
        "signal.coherence(signal_, SIGNAL, nperseg=16)[1]",
        "signal.correlate2d(image, patch)",
        "signal.csd(signal_, SIGNAL, nperseg=16)[1]",
        "signal.cspline1d(v)",
        "signal.czt(v, m=5)",
        "signal.decimate(signal_, 2)",
        "signal.deconvolve(v, w[:2])[0]",
        "signal.detrend(x)",
        "signal.filtfilt(B, A, signal_)",
        "v[signal.find_peaks(v)[0]]",
        "signal.firls(7, [0.0, 0.5, 0.6, 1.0], v[:4])",
        "signal.group_delay((b, A), w=8)[1]",
        "signal.istft(image)[1]",
        "signal.lfilter(B, A, signal_)",
        "signal.lfilter(b, A, SIGNAL)",
        "signal.lombscargle(KNOTS, v, W)",
        "signal.medfilt(v, 3)",
        "signal.minimum_phase(n, method='homomorphic')",
        "signal.order_filter(v, xp.ones(3), 1)",
        "signal.periodogram(signal_)[1]",
        "signal.resample_poly(v, 3, 2)",
        "signal.residue(b, A)[0]",
        "signal.savgol_filter(signal_, 5, 2)",
        "signal.sosfilt(SOS, signal_)",
        "signal.sosfiltfilt(SOS, signal_)",
        "signal.spectrogram(signal_, nperseg=16)[2]",
        "signal.stft(signal_, nperseg=16)[2]",
        "signal.upfirdn(w[:3], v, up=2, down=3)",
        "signal.welch(signal_, nperseg=16)[1]",
        "signal.wiener(v, 3)",
        "signal.zpk2tf(zeros, POLES, 1.0)[0]",
        "signal.windows.kaiser(7, scalar)",
        "signal.windows.gaussian(7, scalar)",
    ],
    "scipy.cluster": [
        "vq.vq(points, others[:2])[1]",
        "vq.kmeans(points, others[:2])[0]",
        "vq.kmeans2(points, others[:2], minit='matrix')[0]",
        "hierarchy.linkage(points)[:, 2]",
    ],
    "scipy.interpolate": [
        "interpolate.Akima1DInterpolator(KNOTS, v)(W)",
        "interpolate.BSpline(xp.arange(12.0), v, 3)(xp.asarray([4.5]))",
        "interpolate.CubicSpline(KNOTS, v)(W)",
        "interpolate.CubicSpline(KNOTS, w)(k)",
        "interpolate.PchipInterpolator(KNOTS, v)(W)",
        "interpolate.RBFInterpolator(points, v[:5])(others)",
        "interpolate.RegularGridInterpolator((xp.arange(4.0), xp.arange(6.0)), x)(xp.asarray([[1.5, 2.5]]))",
        "interpolate.interp1d(KNOTS, v)([1.5])",
        "interpolate.make_interp_spline(KNOTS, v)(W)",
    ],
    "scipy.ndimage": [
        "ndimage.convolve(image, patch)",
        "ndimage.gaussian_filter(image, 1.0)",
        "ndimage.generic_filter(image, mean, 3)",
        "ndimage.map_coordinates(image, xp.asarray([[1.5], [2.5]]))",
        "ndimage.maximum(image)",
        "ndimage.mean(image)",
        "ndimage.median_filter(image, 3)",
        "ndimage.rotate(image, 30.0)",
        "ndimage.shift(image, 0.5)",
        "ndimage.sobel(image)",
        "ndimage.zoom(image, 2.0)",
    ],
    "scipy.linalg": [
        *_calls("linalg", "det(spd) inv(spd) expm(spd) logm(spd) sqrtm(spd) cholesky(spd) eigvalsh(spd) svdvals(spd)"),
        *_calls("linalg", "pinv(spd) eigvals(spd) norm(spd) toeplitz(spd) lu(spd) qr(spd) schur(spd)"),
        "linalg.solve(spd, v[:4])",
        "linalg.lstsq(spd, v[:4])[0]",
        "linalg.solve_triangular(spd, v[:4])",
    ],
    "scipy.spatial": [
        "distance.cdist(points, others)",
        "distance.pdist(points)",
        "distance.cosine(v, w)",
        "distance.jensenshannon(v, w)",
        "spatial.KDTree(points).query(others)[0]",
        "spatial.ConvexHull(points).volume",
        "spatial.procrustes(points, others)[2]",
    ],
}


LEARNED: dict[str, list[str]] = {
    "sklearn.metrics.pairwise": [
        "pairwise.additive_chi2_kernel(x, y)",
        "pairwise.chi2_kernel(x, y)",
        "pairwise.cosine_distances(points, others)",
        "pairwise.cosine_similarity(points, others)",
        "pairwise.euclidean_distances(points, others)",
        "pairwise.linear_kernel(points, others)",
        "pairwise.paired_cosine_distances(points, others)",
        "pairwise.paired_euclidean_distances(points, others)",
        "pairwise.polynomial_kernel(points, others)",
        "pairwise.rbf_kernel(points, others)",
        "pairwise.sigmoid_kernel(points, others)",
    ],
    "sklearn.metrics": [
        "metrics.mean_absolute_error(x, y, multioutput='raw_values')",
        "metrics.mean_squared_error(x, y, multioutput='raw_values')",
        "metrics.r2_score(x, y, multioutput='raw_values')",
    ],
    "sklearn.preprocessing": [
        "preprocessing.MaxAbsScaler().fit_transform(points)",
        "preprocessing.MinMaxScaler().fit_transform(points)",
        "preprocessing.PolynomialFeatures(2).fit_transform(points)",
        "preprocessing.StandardScaler().fit_transform(points)",
        "preprocessing.normalize(points)",
    ],
    "sklearn.decomposition": ["decomposition.PCA(2, svd_solver='full').fit(points).explained_variance_"],
    "sklearn.linear_model": ["linear_model.Ridge(solver='svd').fit(points, others).coef_"],
}

LEARNED_REFUSED = {
    "sklearn.metrics": [
        "metrics.mean_squared_error(v, w)",
        "metrics.mean_poisson_deviance(v, w)",
        "metrics.r2_score(v, w)",
    ],
}


def function_name(call: str) -> str:
    """Return the name of the function, or of the class and the method, that a call is of."""
    name = call.removeprefix("xp.sum(").removeprefix("(").partition("(")[0]
    return name.removeprefix("v[")


def imprecise(call: str) -> bool:
    """Say whether a call searches: what it finds, and its differences, keep half the digits."""
    return call.startswith(("elementwise.find_minimum", "differentiate."))
