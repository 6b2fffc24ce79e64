"""Runs whole jobs of every kind, as deployed, while connections break, services fail and functions are killed.

python -m faults --runs 300 --seed 1     one line per run, then a table
python -m faults --seed 17               repeats the run of one seed and prints every fault

schedule             which request meets which fault
run_plans            what a seed stands for: kind of job, fault profile, rate
http_proxy           injects faults between a function and S3, DynamoDB, Step Functions, EventBridge and SQS
postgres_proxy       injects faults between a function and PostgreSQL
fast_clock           shortens waits and shifts the clock
function             one invocation of a function, in a process of its own
sources              what is uploaded, and the expected result
machine              runs the state machine's definition
run                  one job from its upload to its end, and what is wrong with the result
iceberg_kinds        jobs of Iceberg tables, lake their table; lake_interference changes it from outside
commits              delivers the messages of jobs that wait for the commit of an Iceberg table
outcome              checks the destination, the job records and what is left over; lake_outcome an Iceberg table
scripted_run         a run whose faults are written down instead of drawn
scenarios            scripted runs; role_scenarios and iceberg_scenarios add those that use every permission of
                     the functions' roles
permissions          what each role may do; permission_removal shows that every permission is needed
"""
