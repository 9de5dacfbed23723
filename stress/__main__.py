"""`python -m stress` is the command `hyperstress`."""

from stress.cli import main

if __name__ == "__main__":
    main()
