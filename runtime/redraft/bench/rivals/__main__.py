"""``python -m redraft.bench.rivals``."""

import sys

from redraft.bench.rivals.program import main

if __name__ == "__main__":
    sys.exit(main())
