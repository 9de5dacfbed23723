"""The simulator against values that are known without it: closed forms and quadrature.

references.json beside `stress` holds every value with its derivation; `closed_forms` computes those
with a formula anew. Checks are grouped by what they run: rules, accounts, processes, samplers.
"""
