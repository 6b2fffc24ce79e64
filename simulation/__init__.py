"""Whole jobs in one process: the real functions on AWS in memory, under one scheduler and one clock, by seed."""
