"""All that `make bench` measures."""

import sys

from benchmarks import gunzip, imports

if __name__ == "__main__":
    sys.exit(imports.main([]) or gunzip.main([]))
