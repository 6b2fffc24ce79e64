"""Random damage to everything that Penstock reads from outside: nothing but its own errors may come of it.

    python -m fuzz --seconds 600 --seed 7 [TARGET...]      (tests/ on PYTHONPATH; `make fuzz` does that)

An example is a function of target, seed and number alone, so each finding can be had again: ``--replay NUMBER``.

Mutation knows the formats: members are packed again, checksums put right. Coverage-guided fuzzing (atheris 3.0 runs on
3.11) was tried: 35,000 examples of workbooks and 16,000 of JSON found nothing in 45 s each; most died at a CRC.
"""
