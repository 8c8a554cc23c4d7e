"""`python -m service` is `turnstile`."""

from service.cli import main

if __name__ == "__main__":
    main()
