"""Numbers as a person reads them. Every function takes None and shows it as ``?``.

``?`` means not measured, an en dash not applicable; neither is ever shown as 0.
"""

from __future__ import annotations

import math

UNKNOWN = "?"
NOT_APPLICABLE = "\N{EN DASH}"
INCONCLUSIVE = "?"

_NAMES = {
    "parse_failure_rate": "parse failures",
    "unrecoverable_rate": "unrecoverable",
    "schema_failure_rate": "schema failures",
    "contract_failure_rate": "contract failures",
    "tool_argument_failure_rate": "tool argument failures",
    "loop_rate": "loops",
    "pass_rate": "pass rate",
    "prompt_sensitivity": "prompt sensitivity",
}


def metric_name(metric: str) -> str:
    """What a person calls a metric; an unknown name stays, without its underscores."""
    return _NAMES.get(metric, metric.replace("_", " "))


def percent(rate: float | None, digits: int = 1) -> str:
    """A rate in [0, 1] as ``6.0``; never ``0.0`` or ``100.0`` for a rate that is neither."""
    if rate is None or not math.isfinite(rate):
        return UNKNOWN
    text = f"{100 * rate:.{digits}f}"
    step = 10.0**-digits
    if rate > 0 and float(text) == 0:
        return f"<{step:.{digits}f}"
    if rate < 1 and float(text) == 100:
        return f">{100 - step:.{digits}f}"
    return text


def points(difference: float | None) -> str:
    """A difference of two rates in percentage points, signed: ``+2.0``."""
    if difference is None or not math.isfinite(difference):
        return UNKNOWN
    text = f"{100 * difference:+.1f}"
    return "0.0" if float(text) == 0 else text.replace("-", "\N{MINUS SIGN}")


def interval(bounds: tuple[float, float] | None, *, short: bool = False) -> str:
    """Bounds of a rate as ``[2.1, 16.2]``; ``short`` in whole points, rounded outwards: ``[2, 17]``."""
    if bounds is None:
        return ""
    low, high = bounds
    if short:
        return f"[{max(0, math.floor(100 * low + 1e-9))}, {min(100, math.ceil(100 * high - 1e-9))}]"
    return f"[{100 * low:.1f}, {100 * high:.1f}]"


def signed_interval(bounds: tuple[float, float] | None) -> str:
    """Bounds of a difference in percentage points as ``[+0.4, +9.1]``."""
    return "" if bounds is None else f"[{points(bounds[0])}, {points(bounds[1])}]"


def seconds(value: float | None) -> str:
    """Seconds with two or three digits, without a unit: ``0.04``, ``1.2``, ``48``."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    return f"{value:.2f}" if value < 1 else f"{value:.1f}" if value < 10 else f"{value:.0f}"


def duration(value: float) -> str:
    """A time for a person: ``40 s``, ``3 min 20 s``, ``2 h 05 min``."""
    if value < 1:
        return "under 1 s" if value > 0 else "0 s"
    whole = round(value)
    if whole < 120:
        return f"{whole} s"
    if whole < 7200:
        minutes, left = divmod(whole, 60)
        return f"{minutes} min {left:02d} s" if left and minutes < 10 else f"{minutes} min"
    hours, left = divmod(whole // 60, 60)
    return f"{hours} h {left:02d} min"


def money(value: float | None) -> str:
    """US dollars without the sign: two decimals from 1 on, two digits that count below."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    if value == 0 or value >= 1:
        return f"{value:,.2f}"
    if value < 0.00001:
        return "<0.00001"
    places = min(5, 1 - math.floor(math.log10(value)))
    return f"{value:.{max(2, places)}f}"


def count(value: int) -> str:
    """A count with thousands marked: ``1,500``."""
    return f"{value:,}"


def plural(value: int, word: str) -> str:
    """A count and its noun: ``1 gate``, ``12 gates``."""
    return f"{count(value)} {word}" + ("" if value == 1 else "s")


def variance(value: float | None) -> str:
    """A variance of rates in [0, 0.25], which is small: ``0.0031``, ``4.2e-05``."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    return "0" if value == 0 else f"{value:.4f}" if value >= 0.001 else f"{value:.1e}"


def p_value(value: float | None) -> str:
    """A permutation p in (0, 1]: three decimals, ``<.001`` below."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    return "<.001" if value < 0.001 else f"{value:.3f}"
