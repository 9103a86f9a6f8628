"""Eight coroutines of one thread ask for their frames' addresses: how many traps does it take?"""

from functools import partial

from rel4.abi.numbers import ObjectType
from rel4.bench.policies import find_policy
from rel4.kernel.boot import boot_initial_thread
from rel4.kernel.kernel import Kernel
from rel4.machine.device import DeviceConfig, run_sync
from rel4.machine.events import Syscall
from rel4.machine.machine import Machine
from rel4.reference.device import ReferenceDevice
from rel4.user.root_task import RootTask

machine = Machine(ReferenceDevice(DeviceConfig(harts=1)))
policies = [find_policy("tick").kernel()]
kernel = Kernel(machine, policies=policies, timer_period=20_000, timer_phase=[20_000])
task = RootTask(machine)


async def program() -> None:
    """What the initial thread does."""
    frames = await task.allocate(ObjectType.RISCV_4K_PAGE, 8)
    calls = await task.start_async_syscalls(capacity=64)

    async def ask(frame: int) -> None:
        answer = await calls.page_get_address(frame)
        print(f"cycle {machine.now}: frame {frame} lies at {answer.words[0]:#x}")

    for frame in frames:
        task.executor.spawn(partial(ask, frame), priority=2)
    await task.executor.run_until_complete()


boot_initial_thread(kernel, program)
machine.boot(kernel)
run_sync(machine.run())
wakes = [e for e in machine.log if isinstance(e, Syscall) and e.number == "WAKE_SYSCALL_HANDLER"]
print(f"8 system calls, {len(wakes)} trap")
