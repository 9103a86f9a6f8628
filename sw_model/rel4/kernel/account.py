"""What an address space may take of the user-interrupt hardware.

A unit is a receiver, a page for a sender table, or an entry of the kernel's own table with the
vector of its handler. Whoever is charged is named when the unit is taken, and the same account gets
it back, wherever the thread is then.
"""

from dataclasses import dataclass

from rel4.abi.numbers import SeL4Error

from .errors import InvocationError

__all__ = ["Account", "Charge"]


@dataclass(eq=False, slots=True)
class Account:
    """Units in use, at most ``limit`` of them. What is charged here is charged to ``parent``, the
    account of the creator, too: an address space cannot escape its quota by making others."""

    limit: int | None = None
    parent: "Account | None" = None
    used: int = 0

    def child(self, limit: int) -> "Account":
        """The account of a space with a quota that is made on this one: itself, if the quota could
        never be met. So accounts of spaces that make each other stand no deeper than their
        creator's quota."""
        account: Account | None = self
        while account is not None:
            if account.limit is not None and account.limit <= limit:
                return self
            account = account.parent
        return Account(limit, self)

    def charge(self) -> "Charge":
        """One unit more.

        Raises
        ------
        InvocationError : NotEnoughMemory: the quota is used up.
        """
        chain: list[Account] = []
        account: Account | None = self
        while account is not None:
            if account.limit is not None and account.used >= account.limit:
                raise InvocationError(
                    SeL4Error.NOT_ENOUGH_MEMORY,
                    f"the address space's quota of {account.limit} is used up",
                    (0,),
                )
            chain.append(account)
            account = account.parent
        for account in chain:
            account.used += 1
        return Charge(chain)


class Charge:
    """A unit that was taken, until it is given back. ``accounts`` are who pays."""

    def __init__(self, accounts: list[Account]) -> None:
        self.accounts = accounts

    def release(self) -> None:
        """Give it back; nothing happens if it was already."""
        for account in self.accounts:
            account.used -= 1
        self.accounts = []

    async def detach(self) -> None:
        """What it was taken for has gone."""
        self.release()
