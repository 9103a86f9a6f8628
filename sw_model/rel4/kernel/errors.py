"""How an invocation fails: seL4's error code, and a sentence for whoever reads the log."""

from rel4.abi.numbers import SeL4Error

__all__ = ["InvocationError"]


class InvocationError(Exception):
    """Raised while an invocation is decoded, before any change; the label of the reply."""

    def __init__(self, code: SeL4Error, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
