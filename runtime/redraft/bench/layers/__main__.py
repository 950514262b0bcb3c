"""``python -m redraft.bench.layers``."""

import sys

from redraft.bench.layers.program import main

if __name__ == "__main__":
    sys.exit(main())
