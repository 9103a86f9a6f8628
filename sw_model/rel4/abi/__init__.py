"""What kernel and user agree on: numbers, message words, the IPC buffer, the syscall buffer."""
