"""The subcommands of ``agentbench``, one file each."""
