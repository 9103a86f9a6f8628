"""Two threads on two harts play ping-pong over user interrupts, without the kernel."""

from rel4.bench.program import run_program
from rel4.machine.ops import ReadTime
from rel4.user.user_thread import UserThread

ROUNDS = 5


async def player(me: UserThread) -> None:
    """Send, wait for the answer; the second player the other way round."""
    mine, theirs = me.notifications[me.number], me.notifications[1 - me.number]
    await me.receive_on(mine)
    ball = await me.connect(theirs, vector=me.number)
    for _ in range(ROUNDS):
        if me.number == 0:
            await me.send(ball)
        vectors = await me.next_vectors()
        print(f"cycle {await ReadTime()}: {me.name} got vector {vectors[0]}")
        if me.number == 1:
            await me.send(ball)


if __name__ == "__main__":
    run = run_program(player, player, notifications=2)
    print(f"{run.user_interrupts} user interrupts")
