"""Files of this machine: each appears whole or not at all."""
