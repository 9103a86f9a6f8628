"""User space: system-call stubs, the coroutine executor, asynchronous system calls, the root task."""
