/* Which threads of this process could take a signal: Linux tells in /proc/self/task. Not for signal context. */
#include "internal.h"

#if defined(__linux__)
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

/* 1: blocked; 0: not; -1: the thread is gone (errno 0), or errno says why that is not known. */
static int blocks(const char *tid, int signo)
{
    char path[64], line[256];
    unsigned long long mask = 0;
    int result = -1;
    snprintf(path, sizeof path, "/proc/self/task/%s/status", tid);
    FILE *status = fopen(path, "re");
    errno = status == NULL && errno == ENOENT ? 0 : errno;
    if (status == NULL)
        return -1;
    errno = 0;
    while (result < 0 && fgets(line, sizeof line, status) != NULL)
        if (sscanf(line, "SigBlk: %llx", &mask) == 1)
            result = (int)(mask >> (signo - 1) & 1);
    const int failure = result >= 0 || errno == ESRCH ? 0 : errno;
    fclose(status);
    errno = failure;
    return result;
}

static ssize_t threads(int signo, pid_t *tids, size_t capacity, int wanted)
{
    const int saved_errno = errno;
    ssize_t count = -1;
    int cancellation;
    if (csigshim__check(signo) != 0)
        return -1;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancellation); /* or a cancelled thread leaves files open */
    DIR *tasks = opendir("/proc/self/task");
    if (tasks == NULL)
        goto out;
    count = 0;
    for (struct dirent *task; (errno = 0, task = readdir(tasks)) != NULL;) {
        if (task->d_name[0] == '.')
            continue;
        const int result = blocks(task->d_name, signo);
        if (result < 0 && errno != 0)
            break;
        if (result != wanted)
            continue;
        if ((size_t)count < capacity)
            tids[count] = (pid_t)atoi(task->d_name);
        count++;
    }
    const int failure = errno;
    closedir(tasks);
    errno = failure != 0 ? failure : saved_errno;
    count = failure != 0 ? -1 : count;
out:
    pthread_setcancelstate(cancellation, &cancellation);
    return count;
}
#else
static ssize_t threads(int signo, pid_t *tids, size_t capacity, int wanted)
{
    (void)tids, (void)capacity, (void)wanted;
    if (csigshim__check(signo) == 0)
        errno = ENOTSUP;
    return -1;
}
#endif

ssize_t csigshim_unblocked_threads(int signo, pid_t *tids, size_t capacity)
{
    return threads(signo, tids, capacity, 0);
}

ssize_t csigshim_blocked_threads(int signo, pid_t *tids, size_t capacity)
{
    return threads(signo, tids, capacity, 1);
}
