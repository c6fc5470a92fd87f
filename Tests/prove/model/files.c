/* Checks which descriptors are open, and that the library touches no file of the host. A bridge's descriptors are those
 * that csigshim_open has opened. From then on every step knows the exact set. */
#define _GNU_SOURCE
#include "world.h"
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NUMBERS = 64, MOST_FILES = 12, NONE = -1 };
enum kind { MEMORY, PIPE, HOSTS_SIGNALFD, HOSTS_EPOLL, LEFT_OPEN };

static int ends[BRIDGES][ENDS] = {{NONE, NONE, NONE}, {NONE, NONE, NONE}, {NONE, NONE, NONE}, {NONE, NONE, NONE}};
static struct file { /* of the host, or one that the library had to leave open */
    enum kind kind;
    int fd, other; /* of a pipe, its end for writing */
} files[MOST_FILES];
static int file_count;

static uint64_t open_now(void) {
    struct pollfd all[NUMBERS];
    uint64_t set = 0;
    for (int fd = 0; fd < NUMBERS; fd++)
        all[fd] = (struct pollfd){fd, 0, 0};
    poll(all, NUMBERS, 0);
    for (int fd = 3; fd < NUMBERS; fd++)
        set |= all[fd].revents & POLLNVAL ? 0 : 1ull << fd;
    return set;
}

static uint64_t known(void) {
    uint64_t set = 0;
    for (int b = 0; b < BRIDGES; b++)
        for (int end = 0; end < ENDS; end++)
            set |= ends[b][end] >= 0 ? 1ull << ends[b][end] : 0;
    for (int i = 0; i < file_count; i++)
        set |= 1ull << files[i].fd | (files[i].kind == PIPE ? 1ull << files[i].other : 0);
    return set;
}

/* The kind of the bridge's descriptor; ENDS: it is none. */
static int kind_of(int fd) {
    static const char *const targets[ENDS] = {"pipe:", "anon_inode:[signalfd]", "anon_inode:[eventpoll]"};
    char name[64], target[64] = "";
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    if (readlink(name, target, sizeof target - 1) < 0)
        return ENDS;
    int end = 0;
    while (end < ENDS && strncmp(target, targets[end], strlen(targets[end])) != 0)
        end++;
    return end;
}

const char *learn_descriptors(int b) {
    const uint64_t fresh = open_now() & ~known();
    if (known() & ~open_now())
        return "a descriptor that is not the bridge's was closed";
    for (int fd = 3; fd < NUMBERS; fd++) {
        if (!(fresh & 1ull << fd))
            continue;
        const int end = kind_of(fd);
        if (!(fcntl(fd, F_GETFD) & FD_CLOEXEC))
            return "a descriptor that is not close-on-exec";
        if (end == ENDS || ends[b][end] >= 0)
            return "more descriptors than a bridge has";
        ends[b][end] = fd;
    }
    const bool queued = m.bridges[b].queued;
    if (ends[b][PIPE_END] < 0 || queued != (ends[b][QUEUE] >= 0) || queued != (ends[b][POLLED] >= 0))
        return "fewer descriptors than a bridge has";
    return NULL;
}

bool is_polled_descriptor(int b, int fd) {
    return fd == ends[b][m.bridges[b].queued ? POLLED : PIPE_END];
}

static void leave_open(int fd) {
    if (file_count < MOST_FILES && fd >= 0)
        files[file_count++] = (struct file){LEFT_OPEN, fd, fd};
}

/* The library has closed those that can be shown to be the bridge's. It cannot tell a signalfd from the host's without
 * the epoll and the pipe. */
void forget_descriptors(int b, unsigned lost, bool queued) {
    if (queued && lost != 0) {
        leave_open(ends[b][QUEUE]);
        leave_open(ends[b][POLLED]);
    }
    for (int end = 0; end < ENDS; end++)
        ends[b][end] = NONE;
}

/* After csigshim_after_fork: all are new. */
const char *learn_renewed(int b, unsigned lost) {
    forget_descriptors(b, lost, m.bridges[b].queued);
    return learn_descriptors(b);
}

void host_closes(int b, int end) {
    close(ends[b][end]);
    ends[b][end] = NONE;
}

bool host_opens(int kind) {
    sigset_t none;
    int pair[2] = {NONE, NONE};
    if (file_count == MOST_FILES - 2 * BRIDGES)
        return false;
    sigemptyset(&none);
    if (kind == PIPE) {
        if (pipe(pair) != 0 || write(pair[1], "x", 1) != 1)
            return false;
    } else if (kind == MEMORY) {
        pair[0] = memfd_create("file of the host", 0);
    } else {
        pair[0] = kind == HOSTS_SIGNALFD ? signalfd(-1, &none, SFD_NONBLOCK) : epoll_create1(0);
    }
    files[file_count++] = (struct file){(enum kind)kind, pair[0], pair[1]};
    return true;
}

/* A signalfd that has signals. */
static bool is_listening(int fd) {
    char name[64], text[256] = "";
    snprintf(name, sizeof name, "/proc/self/fdinfo/%d", fd);
    const int info = open(name, O_RDONLY | O_CLOEXEC);
    const ssize_t size = read(info, text, sizeof text - 1);
    close(info);
    const char *const line = size > 0 ? strstr(text, "sigmask:") : NULL;
    return line != NULL && strspn(line + strlen("sigmask:"), "\t 0") < strcspn(line + strlen("sigmask:"), "\n");
}

static bool is_touched(const struct file *file) {
    struct stat status;
    int bytes = 0;
    switch (file->kind) {
    case MEMORY:
        return fstat(file->fd, &status) != 0 || status.st_size != 0 || lseek(file->fd, 0, SEEK_CUR) != 0;
    case PIPE:
        return ioctl(file->fd, FIONREAD, &bytes) != 0 || bytes != 1;
    case HOSTS_SIGNALFD:
        return is_listening(file->fd);
    default:
        return false;
    }
}

const char *wrong_descriptors(void) {
    static char text[100];
    const uint64_t now = open_now(), expected = known();
    for (int fd = 3; fd < NUMBERS; fd++)
        if ((now ^ expected) & 1ull << fd) {
            snprintf(text, sizeof text, "descriptor %d is %s", fd, now & 1ull << fd ? "open" : "closed");
            return text;
        }
    for (int i = 0; i < file_count; i++)
        if (is_touched(&files[i])) {
            snprintf(text, sizeof text, "the host's file at descriptor %d was touched", files[i].fd);
            return text;
        }
    return NULL;
}
