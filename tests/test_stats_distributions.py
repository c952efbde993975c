from __future__ import annotations

import subprocess
import sys

import pytest
from scipy import special, stats

from pytest_agentbench.stats.distributions import (
    beta_quantile,
    chi_square_cdf,
    chi_square_quantile,
    incomplete_beta,
    incomplete_gamma,
    normal_cdf,
    normal_quantile,
)

SHAPES = (0.5, 1, 2, 3.5, 17, 50, 333, 1500, 20_000)
PROBABILITIES = (1e-9, 1e-4, 0.01, 0.025, 0.05, 0.2, 0.5, 0.8, 0.95, 0.975, 0.99, 0.9999)


@pytest.mark.parametrize("a", SHAPES)
@pytest.mark.parametrize("b", SHAPES)
def test_the_incomplete_beta_function_equals_scipys(a: float, b: float) -> None:
    mean = a / (a + b)
    for x in {0.0, 1e-6, 0.01, mean * 0.9, mean, min(1.0, mean * 1.05), 0.5, 0.99, 1.0}:
        assert incomplete_beta(x, a, b) == pytest.approx(float(special.betainc(a, b, x)), abs=1e-10)


@pytest.mark.parametrize("a", SHAPES)
@pytest.mark.parametrize("b", SHAPES)
def test_beta_quantiles_equal_scipys(a: float, b: float) -> None:
    for probability in (1e-4, 0.025, 0.05, 0.5, 0.975, 0.9999):
        assert beta_quantile(probability, a, b) == pytest.approx(
            float(stats.beta.ppf(probability, a, b)), abs=1e-10
        )


@pytest.mark.parametrize("a", SHAPES)
def test_the_incomplete_gamma_function_equals_scipys(a: float) -> None:
    for x in (0.0, 1e-6, a / 2, a, a + 0.99, a + 1.01, 2 * a + 5):
        assert incomplete_gamma(a, x) == pytest.approx(float(special.gammainc(a, x)), abs=1e-10)


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 9, 30, 199])
def test_chi_square_quantiles_and_probabilities_equal_scipys(degrees: int) -> None:
    for probability in PROBABILITIES:
        expected = float(stats.chi2.ppf(probability, degrees))
        assert chi_square_quantile(probability, degrees) == pytest.approx(expected, rel=1e-9)
        assert chi_square_cdf(expected, degrees) == pytest.approx(probability, abs=1e-10)


def test_normal_quantiles_and_probabilities_equal_scipys() -> None:
    for probability in PROBABILITIES:
        expected = float(stats.norm.ppf(probability))
        assert normal_quantile(probability) == pytest.approx(expected, abs=1e-10)
        assert normal_cdf(expected) == pytest.approx(probability, rel=1e-9)


@pytest.mark.parametrize("probability", [0.0, 1.0, -0.1, 1.1])
def test_a_quantile_of_an_impossible_probability_is_refused(probability: float) -> None:
    with pytest.raises(ValueError, match="inside"):
        normal_quantile(probability)
    with pytest.raises(ValueError, match="inside"):
        beta_quantile(probability, 1, 1)
    with pytest.raises(ValueError, match="inside"):
        chi_square_quantile(probability, 1)


def test_gates_metrics_and_statistics_need_the_standard_library_alone() -> None:
    code = (
        "import sys, pytest_agentbench.gate, pytest_agentbench.metrics.tally, pytest_agentbench.stats.operating\n"
        "import pytest_agentbench.stats.comparison, pytest_agentbench.metrics as m\n"
        "[m.get(name) for name in m.names()]\n"
        "outside = {name.partition('.')[0] for name in sys.modules} - set(sys.stdlib_module_names)\n"
        "print(sorted(outside & {'numpy', 'scipy', 'statsmodels', 'pandas', 'pytest', 'openai', 'jsonschema'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
