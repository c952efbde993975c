"""How long to wait before a failed request is sent again, and how often.

Ours, not the client's: hidden retries would make ``n_attempts`` a lie (METRICS 1).
"""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Exponential backoff with jitter.

    Attributes:
        max_failures: Failed attempts after which a call is given up (level X).
        base_s: Wait after the first failure; doubled by each further one.
        cap_s: Longest wait of our own choice.
        retry_after_cap_s: Longest wait that a provider can make us keep.
    """

    max_failures: int = 6
    base_s: float = 0.5
    cap_s: float = 20.0
    retry_after_cap_s: float = 60.0

    def delay_s(self, n_failures: int, retry_after_s: float | None) -> float:
        """Seconds to wait after ``n_failures`` (from 1) failed attempts.

        Jitter spreads calls that failed together: over the upper half of our own wait, or over one
        tenth (and at least 50 ms) beyond the moment that the provider named.
        """
        if retry_after_s is not None:
            wait = min(retry_after_s, self.retry_after_cap_s)
            return wait + random.uniform(0.0, max(0.05, wait / 10))  # noqa: S311 - no secret
        wait = min(self.cap_s, self.base_s * 2.0 ** (n_failures - 1))
        return random.uniform(wait / 2, wait)  # noqa: S311 - no secret
