"""The steps of a job that the state machine carries: plan, index, work, finish, abort. Each may be called again."""
