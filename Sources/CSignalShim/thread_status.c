/* Lists the threads of this process that block a signal, or do not, from /proc/self/task. */
#include "shim.h"

#if defined(__linux__)
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

/* 1: blocked; 0: not; -1: the thread has ended (errno 0), or there was an error (errno). */
static int is_blocked_in(const char *tid, int signo) {
    char path[64], line[256];
    unsigned long long mask = 0;
    int result = -1;
    snprintf(path, sizeof path, "/proc/self/task/%s/status", tid);
    FILE *const status = fopen(path, "re");
    const bool is_open = status != NULL;
    while (is_open && result < 0 && (errno = 0, fgets(line, sizeof line, status)) != NULL)
        if (sscanf(line, "SigBlk: %llx", &mask) == 1)
            result = (int)(mask >> (signo - 1) & 1);
    const int failure = result >= 0 || errno == ESRCH || (!is_open && errno == ENOENT) ? 0 : errno;
    if (is_open)
        fclose(status);
    errno = failure;
    return result;
}

static ssize_t list_threads(int signo, pid_t *tids, size_t capacity, int wanted) {
    const int saved_errno = errno;
    size_t count = 0;
    int state, failure = 0;
    if (csigshim__check_catchable(signo) != 0)
        return -1;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state); /* a cancelled thread would leave files open */
    DIR *const tasks = opendir("/proc/self/task");
    while (tasks != NULL && failure == 0) {
        errno = 0;
        const struct dirent *const task = readdir(tasks);
        if (task == NULL)
            break;
        const int blocked = task->d_name[0] == '.' ? -1 : (errno = 0, is_blocked_in(task->d_name, signo));
        failure = blocked < 0 ? errno : 0;
        if (blocked == wanted && count++ < capacity)
            tids[count - 1] = (pid_t)atoi(task->d_name);
    }
    failure = failure != 0 ? failure : errno;
    if (tasks != NULL)
        closedir(tasks);
    pthread_setcancelstate(state, &state);
    errno = failure != 0 ? failure : saved_errno;
    return failure != 0 ? -1 : (ssize_t)count;
}
#else
static ssize_t list_threads(int signo, pid_t *tids, size_t capacity, int wanted) {
    (void)tids, (void)capacity, (void)wanted;
    errno = csigshim__check_catchable(signo) == 0 ? ENOTSUP : errno;
    return -1;
}
#endif

ssize_t csigshim_unblocked_threads(int signo, pid_t *tids, size_t capacity) {
    return list_threads(signo, tids, capacity, 0);
}

ssize_t csigshim_blocked_threads(int signo, pid_t *tids, size_t capacity) {
    return list_threads(signo, tids, capacity, 1);
}
