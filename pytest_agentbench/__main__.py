"""``python -m pytest_agentbench``: the command ``agentbench``."""

import sys

from pytest_agentbench.cli import main

if __name__ == "__main__":
    sys.exit(main())
