"""``python -m gradtool``."""

from gradtool.cli import main

if __name__ == "__main__":
    main()
