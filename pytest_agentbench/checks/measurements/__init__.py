"""What is measured of every sample, whatever the scenario checks: JSON, tool arguments, loops."""
