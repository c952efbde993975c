"""A model whose faults are known: an OpenAI-compatible endpoint that plays references and spoils them.

What it says is drawn from a profile: each fault with its probability, seeded. Held against it, every
rate and every verdict of this package can be checked.
"""
