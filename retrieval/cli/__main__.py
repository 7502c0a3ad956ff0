"""``python -m retrieval.cli``."""

from retrieval.cli import main

if __name__ == "__main__":
    main()
