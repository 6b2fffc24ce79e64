"""Whole jobs of every kind, as deployed, while connections break, services fail and functions are killed: by seed.

python -m faults --runs 300 --seed 1     one line a run, then a table
python -m faults --seed 17               the run of one seed again, with all that happened

schedule   which request meets which fault
proxy      the one before S3, DynamoDB and the like
wire       the one before PostgreSQL
hurry      waits cost nothing, and time passes as the suite says
function   one invocation of a function, in a process of its own
sources    what is uploaded, and what must come of it
machine    the state machine's definition, played
run        one job from its upload to its end, and what is then wrong
"""
