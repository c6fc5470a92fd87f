/* Which descriptors are open, whose they are, and that nobody touched a stranger's. A bridge's own are learned by
 * looking at what is there after csigshim_open that was not there before; from then on every step knows the exact set.
 */
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

enum { NUMBERS = 64, STRANGERS = 12, NONE = -1 };
enum kind { MEMORY, PIPE, HOSTS_SIGNALFD, HOSTS_EPOLL, LEFT_ALONE };

static int ends[BRIDGES][ENDS] = {
    {NONE, NONE, NONE, NONE}, {NONE, NONE, NONE, NONE}, {NONE, NONE, NONE, NONE}, {NONE, NONE, NONE, NONE}};
static struct stranger {
    enum kind kind;
    int fd, other; /* of a pipe, its end for writing */
} strangers[STRANGERS];
static int stranger_count;

static uint64_t open_now(void)
{
    struct pollfd all[NUMBERS];
    uint64_t set = 0;
    for (int fd = 0; fd < NUMBERS; fd++)
        all[fd] = (struct pollfd){fd, 0, 0};
    poll(all, NUMBERS, 0);
    for (int fd = 3; fd < NUMBERS; fd++)
        set |= all[fd].revents & POLLNVAL ? 0 : 1ull << fd;
    return set;
}

static uint64_t known(void)
{
    uint64_t set = 0;
    for (int b = 0; b < BRIDGES; b++)
        for (int end = 0; end < ENDS; end++)
            set |= ends[b][end] >= 0 ? 1ull << ends[b][end] : 0;
    for (int i = 0; i < stranger_count; i++)
        set |= 1ull << strangers[i].fd | (strangers[i].kind == PIPE ? 1ull << strangers[i].other : 0);
    return set;
}

const char *learn_descriptors(int b)
{
    const uint64_t fresh = open_now() & ~known();
    const int polled = csigshim_fd(bridges[b]);
    struct stat status;
    if (known() & ~open_now())
        return "a descriptor of somebody else's was closed";
    for (int fd = 3; fd < NUMBERS; fd++) {
        if (!(fresh & 1ull << fd))
            continue;
        if (!(fcntl(fd, F_GETFD) & FD_CLOEXEC))
            return "a descriptor that is not close-on-exec";
        int *const end = fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode)
                             ? &ends[b][(fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY ? READ_END : WRITE_END]
                             : &ends[b][fd == polled ? POLLED : QUEUE];
        if (*end >= 0)
            return "more descriptors than a bridge has";
        *end = fd;
    }
    const bool queued = m.bridges[b].queued;
    if (ends[b][READ_END] < 0 || ends[b][WRITE_END] < 0 || queued != (ends[b][QUEUE] >= 0) ||
        queued != (ends[b][POLLED] >= 0))
        return "fewer descriptors than a bridge has";
    return polled == ends[b][queued ? POLLED : READ_END] ? NULL : "csigshim_fd is not the bridge's";
}

static void leave_alone(int fd)
{
    if (stranger_count < STRANGERS && fd >= 0)
        strangers[stranger_count++] = (struct stranger){LEFT_ALONE, fd, fd};
}

/* Closed by the library: what can be shown to be the bridge's. A signalfd and an epoll cannot, without the pipe. */
void forget_descriptors(int b, unsigned lost, bool queued)
{
    if (queued && (lost & (1u << READ_END | 1u << QUEUE | 1u << POLLED))) {
        leave_alone(ends[b][QUEUE]);
        leave_alone(ends[b][POLLED]);
    }
    for (int end = 0; end < ENDS; end++)
        ends[b][end] = NONE;
}

/* New ones in the place of those that were lost; the signalfd and the epoll keep their numbers if they can. */
const char *learn_renewed(int b, unsigned lost)
{
    const bool queued = m.bridges[b].queued;
    const bool kept = queued && !(lost & (1u << READ_END | 1u << QUEUE | 1u << POLLED));
    const int queue = ends[b][QUEUE], polled = ends[b][POLLED];
    forget_descriptors(b, lost, queued);
    const char *const wrong = learn_descriptors(b);
    if (wrong == NULL && kept && (ends[b][QUEUE] != queue || ends[b][POLLED] != polled))
        return "a signalfd or epoll that was still the bridge's has another number";
    return wrong;
}

void host_closes(int b, int end)
{
    close(ends[b][end]);
    ends[b][end] = NONE;
}

bool host_opens(int kind)
{
    sigset_t none;
    int pair[2] = {NONE, NONE};
    if (stranger_count == STRANGERS - 2 * BRIDGES)
        return false;
    sigemptyset(&none);
    if (kind == PIPE) {
        if (pipe(pair) != 0 || write(pair[1], "x", 1) != 1)
            return false;
    } else if (kind == MEMORY) {
        pair[0] = memfd_create("stranger", 0);
    } else {
        pair[0] = kind == HOSTS_SIGNALFD ? signalfd(-1, &none, SFD_NONBLOCK) : epoll_create1(0);
    }
    strangers[stranger_count++] = (struct stranger){(enum kind)kind, pair[0], pair[1]};
    return true;
}

/* A signalfd that somebody gave signals to. */
static bool is_listening(int fd)
{
    char name[64], text[256] = "";
    snprintf(name, sizeof name, "/proc/self/fdinfo/%d", fd);
    const int info = open(name, O_RDONLY | O_CLOEXEC);
    const ssize_t size = read(info, text, sizeof text - 1);
    close(info);
    const char *const line = size > 0 ? strstr(text, "sigmask:") : NULL;
    return line != NULL && strspn(line + strlen("sigmask:"), "\t 0") < strcspn(line + strlen("sigmask:"), "\n");
}

static bool touched(const struct stranger *stranger)
{
    struct stat status;
    int bytes = 0;
    switch (stranger->kind) {
    case MEMORY:
        return fstat(stranger->fd, &status) != 0 || status.st_size != 0 || lseek(stranger->fd, 0, SEEK_CUR) != 0;
    case PIPE:
        return ioctl(stranger->fd, FIONREAD, &bytes) != 0 || bytes != 1;
    case HOSTS_SIGNALFD:
        return is_listening(stranger->fd);
    default:
        return false;
    }
}

const char *wrong_descriptors(void)
{
    static char text[100];
    const uint64_t now = open_now(), expected = known();
    for (int fd = 3; fd < NUMBERS; fd++)
        if ((now ^ expected) & 1ull << fd) {
            snprintf(text, sizeof text, "descriptor %d is %s", fd, now & 1ull << fd ? "open" : "closed");
            return text;
        }
    for (int i = 0; i < stranger_count; i++)
        if (touched(&strangers[i])) {
            snprintf(text, sizeof text, "a file of the host's at %d was touched", strangers[i].fd);
            return text;
        }
    return NULL;
}
