"""Every function of the template through `sam local invoke`, with the events of events/, every answer checked.

    python -m penstock_local.sam_local

A function runs in a container, which cannot reach this machine's loopback: the emulator listens on the Docker bridge.
The events are what S3, SQS, EventBridge and the state machine send; what exists only once something is uploaded and
a job has begun (versions, job ids, spans) is fitted in, and the rest stays as it is. Nobody runs the state machine:
it is played step by step, from what `ingest` has handed to it.
"""
