"""The steps of a job in the state machine: plan, index, work, finish, abort. Each step can be repeated."""
