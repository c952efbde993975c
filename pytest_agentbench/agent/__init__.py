"""One sample: the prompt goes out, tools answer, until the model gives its answer or a limit ends it."""

from __future__ import annotations

from pytest_agentbench.agent.mock_tools import ToolContext
from pytest_agentbench.agent.run import run_sample
from pytest_agentbench.agent.sampling import merge_sampling, sample_seed, skip_reason

__all__ = ["ToolContext", "merge_sampling", "run_sample", "sample_seed", "skip_reason"]
