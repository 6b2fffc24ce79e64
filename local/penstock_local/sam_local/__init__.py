"""Invokes every function of the template with `sam local invoke` and the events of events/, and checks every answer.

    python -m penstock_local.sam_local

A function runs in a container, which cannot reach this machine's loopback: the emulator listens on the Docker bridge.
The events are those that S3, SQS, EventBridge and the state machine send. Values that exist only at run time
(versions, job ids, spans) are replaced; the rest stays as it is. The state machine does not run: this package calls
its steps one by one, with the input of the execution that `ingest` has started.
"""
