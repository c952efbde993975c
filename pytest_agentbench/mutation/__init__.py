"""Scenarios that test themselves: the reference must pass, and its mutants must not.

A mutant is the reference with one change, such as a model makes: a field dropped, an argument changed, a
sentence repeated without end. One that passes shows a hole in the checks. Everything is played through
the agent loop and its HTTP client, against a server on loopback: no key, no cost.
"""
