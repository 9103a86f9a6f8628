"""User space: system-call stubs, executor, asynchronous system calls, the root task."""
