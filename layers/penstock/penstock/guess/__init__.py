"""`penstock guess`: a route for a source, with the evidence for each of its options."""
