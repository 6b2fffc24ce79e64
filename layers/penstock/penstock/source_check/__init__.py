"""`penstock check`: a source is parsed and checked as its route would, and nothing is loaded."""
