"""What starts and drives the processes: the command line, the stack, the replay."""
