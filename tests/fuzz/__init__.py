"""Random damage to everything that Penstock reads from outside: nothing but its own errors may come of it.

    python -m fuzz --seconds 600 --seed 7 [TARGET...]      (tests/ on PYTHONPATH; `make fuzz` does that)

An example is a function of target, seed and number alone, so each finding can be had again: ``--replay NUMBER``.
"""
