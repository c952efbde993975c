"""The command ``agentbench``."""


def main() -> int:
    """Run one subcommand."""
    return 0
