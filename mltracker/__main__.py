"""`python -m mltracker` is the command line."""

from mltracker.cli import main

if __name__ == "__main__":
    main()
