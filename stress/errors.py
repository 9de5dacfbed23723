"""Errors a person can act on. Each is one sentence; the command line turns it into an exit code."""


class InputError(ValueError):
    """Bad input: what the person gave cannot be used (exit code 2).

    Args:
      file: file or source the value came from, as the person named it.
      key: path of the offending key, for instance `accounts[3].supplied.HYPE`; "" for the whole
        file.
      found: what stands there.
      allowed: what may stand there.
    """

    def __init__(self, file: object, key: str, found: str, allowed: str) -> None:
        self.file, self.key, self.found, self.allowed = str(file), key, found, allowed
        where = f"{file}: {key}" if key else f"{file}"
        super().__init__(f"{where}: found {found}; allowed: {allowed}.")

    def __reduce__(self) -> tuple[type["InputError"], tuple[str, str, str, str]]:
        """Workers send it to the process that asked: by its parts, not by its sentence."""
        return type(self), (self.file, self.key, self.found, self.allowed)


class EnvironmentUnusable(RuntimeError):
    """This machine computes wrong numbers or lacks something essential (exit code 3)."""
