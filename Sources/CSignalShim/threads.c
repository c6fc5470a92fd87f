/* Which threads of this process could take a signal: Linux tells in /proc/self/task. Not for signal context. */
#include "internal.h"

#if defined(__linux__)
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

/* 1: blocked; 0: not; -1: the thread is gone. */
static int blocks(const char *tid, int signo)
{
    char path[64], line[256];
    unsigned long long mask = 0;
    int result = -1;
    snprintf(path, sizeof path, "/proc/self/task/%s/status", tid);
    FILE *status = fopen(path, "re");
    if (status == NULL)
        return -1;
    while (fgets(line, sizeof line, status) != NULL)
        if (sscanf(line, "SigBlk: %llx", &mask) == 1)
            result = (int)(mask >> (signo - 1) & 1);
    fclose(status);
    return result;
}

static ssize_t threads(int signo, pid_t *tids, size_t capacity, int wanted)
{
    ssize_t count = -1;
    int cancellation;
    if (csigshim__check(signo) != 0)
        return -1;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancellation); /* or a cancelled thread leaves files open */
    DIR *tasks = opendir("/proc/self/task");
    if (tasks == NULL)
        goto out;
    count = 0;
    for (struct dirent *task; (task = readdir(tasks)) != NULL;) {
        if (task->d_name[0] == '.' || blocks(task->d_name, signo) != wanted)
            continue;
        if ((size_t)count < capacity)
            tids[count] = (pid_t)atoi(task->d_name);
        count++;
    }
    closedir(tasks);
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
