# shellcheck shell=sh
# For run.sh and Tests/prove/systems/run.sh. `not_there TARGET/PROGRAM` prints what the program
# needs and the target lacks.
# A target is one of zig's, or "native-" and the system.
not_there() {
    case $1 in
    *-linux-*) ;;
    */delivery | */stress | */signalfd_unblocked_threads | */idle | */signalfd | */fd_reuse) echo "epoll" ;;
    */syscall_failures | */children) echo "seccomp" ;;
    */inherited_mask | */reexec | */siginfo_flag_actions) echo "clone(2), /proc" ;;
    */siginfo) echo "the si_code and fcntl(2) of Linux" ;;
    */escalate) echo "PID namespaces" ;;
    */exec | */fork_foreign_handlers | */spawn) echo "clone(2)" ;;
    *-macos/threads | *-macos/interleavings) echo "sys/syscall.h" ;;
    esac
}
