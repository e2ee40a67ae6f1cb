"""The one error that a user's input can cause."""


class InputError(ValueError):
    """Bad input. The message is one line: what is wrong, with which file, and what to do about it.

    The command prints it to stderr and exits with status 2; nothing has been written by then.
    """
