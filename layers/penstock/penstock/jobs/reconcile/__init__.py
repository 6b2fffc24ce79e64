"""The scheduled function `reconcile`: finds jobs that no attempt works on, and retries or ends them."""
