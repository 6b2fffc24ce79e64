"""What becomes of an object once its job has ended: the function `after`."""
